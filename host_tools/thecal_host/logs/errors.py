"""Errors of the log store and of files written from it. Invariant: `str(error)` is a whole sentence for people."""


class StorageError(Exception):
    """A file or the database could not be read or written; the text says which, why, and what to do."""


def os_sentence(what: str, error: OSError) -> str:
    """The sentence for an OSError; `what` begins it and names the path ("The file x.csv could not be written")."""
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{what}: the disk is full. Free some space and repeat the command; nothing already kept was lost."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{what}: this user may not write there. Choose another place."
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return f"{what}: there is no such folder. Create it, or choose another place."
    if error.errno == errno.EISDIR:
        return f"{what}: that is a folder. Give the name of a file."
    return f"{what}: {error.strerror or error}."
