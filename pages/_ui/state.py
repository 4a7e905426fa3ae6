"""Every session key in one place.

A key that is bound to the address (``bind="query-params"``) keeps its value over page changes, reloads and shared
links; one with ``persist_state="session"`` keeps it over page changes only. So no other copy of a widget's
value is needed.
"""

# The sidebar; bound to the address.
DATA = "data"
MODEL = "model"
DEVICE = "device"

# The data sets that this visitor has opened; offered in the sidebar.
KNOWN_DATA = "known_data"

# Browse; bound to the address.
SHOW = "show"
ORDER = "order"
SHUFFLE_SEED = "shuffle"
COLUMNS = "columns"
ROWS = "rows"
PAGE = "page"
BOXES = "boxes"

# Train.
RUN = "run"

# Evaluate.
PART = "part"
THRESHOLD = "threshold"

# Predict.
EXAMPLE = "example"
METHOD = "method"
OPACITY = "opacity"
CENTRE_BOX = "centre_box"
SMOOTH = "smooth"

# Raised when a gallery's click has been dealt with, so that the next one counts anew.
CLICKS = "clicks"

# A reason, in one sentence, to show after the next rerun.
NOTICE = "notice"
