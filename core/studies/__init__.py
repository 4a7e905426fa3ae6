"""Several runs that belong to one question: cross-validation, learning curve, search; and the trash for all of them."""

from core.studies.trash import Trashed, delete, delete_study, empty_trash, list_trash, restore, trash_home, what_loses

__all__ = [
    "Trashed",
    "delete",
    "delete_study",
    "empty_trash",
    "list_trash",
    "restore",
    "trash_home",
    "what_loses",
]
