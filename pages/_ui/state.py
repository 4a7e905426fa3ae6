"""Every session key in one place.

A key that is bound to the address (``bind="query-params"``) keeps its value over page changes, reloads and shared
links; one with ``persist_state="session"`` keeps it over page changes only. So no other copy of a widget's
value is needed.
"""

# The sidebar; bound to the address.
DATA = "data"
MODEL = "model"
WANTED_MODEL = "wanted_model"  # what MODEL becomes before the sidebar is drawn again
DEVICE = "device"

# The data sets that this visitor has opened; offered in the sidebar.
KNOWN_DATA = "known_data"

# Browse; bound to the address.
BROWSE_VIEW = "browse_view"
SHOW = "show"
ORDER = "order"
SHUFFLE_SEED = "shuffle"
COLUMNS = "columns"
ROWS = "rows"
PAGE = "page"
BOXES = "boxes"
IN_PART = "in_part"
SLIDE = "slide"
FLAG = "flag"
SORT = "sort"
FIND = "find"
MEASURE = "measure"

# Browse; the chosen patches, by the data set they are of.
BASKET = "basket"

# Train; the run, the view and those compared are bound to the address.
RUN = "run"
RUNS_VIEW = "runs_view"
COMPARED = "compared"
FILTER = "filter"
CURVE = "curve"
# The run whose settings the form starts from, and the one whose deletion waits for a yes.
DUPLICATED = "duplicated"
DELETING = "deleting"

# Evaluate.
PART = "part"
THRESHOLD = "threshold"

# Predict; the patch of the open data set, the method and those beside it are bound to the address.
PATCH = "patch"
METHOD = "method"
BESIDE = "beside"
VERDICT_AT = "verdict_at"
UPLOAD = "upload"
TIFF_PAGE = "tiff_page"
CUT_X = "cut_x"
CUT_Y = "cut_y"
OPACITY = "opacity"
CENTRE_BOX = "centre_box"
SIGN = "sign"
PERCENTILE = "percentile"
SMOOTH = "smooth"
SYMMETRIES = "symmetries"
BASELINE = "baseline"
BATCH = "batch"
BATCH_STOPPED = "batch_stopped"
BATCH_PAGE = "batch_page"

# Raised when a gallery's click has been dealt with, so that the next one counts anew.
CLICKS = "clicks"

# A reason, in one sentence, to show after the next rerun.
NOTICE = "notice"
