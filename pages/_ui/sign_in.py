"""Signing in, where an identity provider was set up; else the viewer works for one person. See docs/SERVER.md."""

import streamlit as st


def is_set_up() -> bool:
    """Whether there is a provider, in the section [auth] of Streamlit's secrets.toml."""
    return st.secrets.load_if_toml_exists() and "auth" in st.secrets


def require() -> None:
    """Let nobody further who has not signed in: draw the button that leads to the provider, and end the page."""
    if not is_set_up() or st.user.is_logged_in:
        return
    st.title("Nodescope")
    st.write("This viewer is shared. Sign in to go on; you then come back here.")
    st.button("Sign in", icon=":material/login:", type="primary", on_click=st.login)
    st.stop()


def name() -> str:
    """Return the name of who has signed in; empty where nobody has to."""
    if not is_set_up() or not st.user.is_logged_in:
        return ""
    given = (st.user.get(each) for each in ("name", "email", "sub"))
    return " ".join(str(next(filter(None, given), "")).split())


def draw() -> None:
    """Draw who has signed in and the way out, in the sidebar."""
    if who := name():
        st.button(f"Sign out {who}", icon=":material/logout:", type="tertiary", on_click=st.logout)
