"""The viewer of a slide: OpenSeadragon in a component, and the routes that feed it."""
