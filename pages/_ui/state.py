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

# The data sets that this visitor has opened; offered in the sidebar. What DATA becomes before it is drawn again, and
# the folder that the dialog for opening one shows.
KNOWN_DATA = "known_data"
WANTED_DATA = "wanted_data"
OPEN_AT = "open_at"

# Browse; bound to the address.
BROWSE_VIEW = "browse_view"
SHOW = "show"
ORDER = "order"
SHUFFLE_SEED = "shuffle"
SIZE = "size"
BADGES = "probabilities"
PER_GRID = "per_grid"
PAGE = "page"
BOXES = "boxes"
IN_SPLIT = "in_part"
SLIDE, PATIENT, CENTRE = "slide", "patient", "centre"  # the names of the groups
GROUP = "group"
FLAG = "flag"
TAG = "tag"
SORT = "sort"
FIND = "find"
MEASURE = "measure"
RANGES = "range"  # as text: measure:low:high
VERDICT = "verdict"
DETAIL = "open"  # the id of the patch that is shown large
# Browse; the id that was last gone to, the centre box of the large view, and what tells that the page was left.
WENT_TO = "went_to"
DETAIL_BOX = "detail_box"
BROWSE_HERE = "browse_here"

# Browse, its splits; bound to the address.
SPLIT_BY = "split_by"
SPLIT_SEED = "split_seed"
SPLIT_VALID = "split_valid"
SPLIT_TEST = "split_test"
SPLIT_FOLDS = "split_folds"
SPLIT_FOLD = "split_fold"

# Browse, what is fetched: the folder it goes to, by the name of the data set.
GET_FOLDER = "get_folder"

# What stands in the address without a widget, for the way back to a page.
ADDRESS = "address"
PAGE_SHOWN = "page_shown"
LEFT = "left"

# Browse, label errors, map and labelling; bound to the address. Then who decides.
ERRORS_BY = "errors_by"
ERRORS_SHOW = "errors_show"
ERRORS_CLASS = "errors_class"
ERRORS_PAGE = "errors_page"
MAP_BY = "map_by"
MAP_COLOUR = "map_colour"
MAP_PAGE = "map_page"
LABEL_ORDER = "label_order"
LABEL_SKIPPED = "label_skipped"
LABEL_TURN = "label_turn"
PERSON = "person"

# Browse; the chosen patches, by the data set they are of, and whether the menu of tags is open.
BASKET = "basket"
TAG_MENU = "tag_menu"

# Train; the run, the view and those compared are bound to the address.
RUN = "run"
RUNS_VIEW = "runs_view"
COMPARED = "compared"
FILTER = "filter"
CURVE = "curve"
# The columns of the table of runs and how curves are drawn are bound to the address too; the settings beside each other
# are not.
COLUMNS = "columns_shown"
SMOOTHING = "smoothing"
LOG_AXIS = "log_axis"
PARALLEL = "parallel"
# The study is bound to the address; the others are what STUDY and RUN become before they are drawn again.
STUDY = "study"
WANTED_STUDY = "wanted_study"
WANTED_RUN = "wanted_run"
# The run of a link that is not there.
GONE = "gone"
# The form for a new run is what Train shows next.
WANTED_NEW = "wanted_new"
# The run whose settings the form starts from, and the one whose deletion waits for a yes.
DUPLICATED = "duplicated"
DELETING = "deleting"
# The study whose deletion waits for a yes.
DELETING_STUDY = "deleting_study"
# How many runs of a study are trained at the same time; a widget.
RUNS_AT_ONCE = "runs_at_once"
# How many runs and studies this visitor has started.
STARTED = "started"
# Whether emptying the trash waits for a yes.
EMPTYING = "emptying"

# Evaluate; bound to the address.
SUBSET = "part"
THRESHOLD = "threshold"
SUBMIT_BY = "submit_by"

# Predict; the patch of the open data set, the method and those beside it are bound to the address.
PATCH = "patch"
METHOD = "method"
BESIDE = "beside"
VERDICT_AT = "verdict_at"
PREDICT_PREVALENCE = "predict_prevalence"
UPLOAD = "upload"
TIFF_PAGE = "tiff_page"
UPLOAD_WAY = "upload_way"
FOLDER = "folder"
PASTE = "paste"
PASTED = "pasted"
DECODED = "decoded"
FOUND = "found"
CUT_WAY = "cut_way"
TILES_LAYER = "tiles-layer"
CUT_MPP = "cut_mpp"
CUT_X = "cut_x"
CUT_Y = "cut_y"
OPACITY = "opacity"
CENTRE_BOX = "centre_box"
SIGN = "sign"
PERCENTILE = "percentile"
SMOOTH = "smooth"
SYMMETRIES = "symmetries"
BASELINE = "baseline"
# What stood where when Predict was drawn last, see widgets.place_for().
SHOWN = "shown"
STAIN_VIEW = "stain_view"
STAIN_REFERENCE = "stain_reference"
MAP_OPACITY = "map_opacity"
EXAMPLES = "examples"
BATCH = "batch"
BATCH_STOPPED = "batch_stopped"
BATCH_CUT = "batch_cut"
BATCH_SCALE = "batch_scale"
BATCH_MPP = "batch_mpp"
BATCH_PAGE = "batch_page"

# Slides; the folder, the slide, the place in the viewer and the patch that is open are bound to the address.
SLIDES = "slides"
SLIDE_NAME = "slide_name"
AT = "at"
SLIDE_PATCH = "patch_at"
SLIDE_STEP = "step"
SLIDES_AT_ONCE = "slides_at_once"
SLIDE_VIEW = "slide_view"
# Slides; the folders that this visitor has opened, widgets, and what the viewer goes to.
SLIDE_FOLDERS = "slide_folders"
SLIDE_STATE = "slide_state"
SLIDE_FIND = "slide_find"
SLIDE_WALK = "slide_walk"
SLIDE_WANTED = "slide_wanted"
SLIDE_OUTLINES = "slide_outlines"
SLIDE_NORMAL = "slide_normal"
SLIDE_MPP = "slide_mpp"
SLIDE_TABLE = "slide_table"
SLIDE_VIEWER = "slide_viewer"
SLIDE_FOCI = "slide_foci"
SLIDE_FOCUS = "slide_focus"
SLIDE_GO = "slide_go"

# Raised when the click on a chart has been dealt with, so that the next one counts anew.
CLICKS = "clicks"

# A reason, in one sentence, to show after the next rerun.
NOTICE = "notice"
