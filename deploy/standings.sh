#!/bin/sh
# The image's command. Numba refuses to start without a folder that it can write to, and the image is read-only: it is
# given one in /tmp, with links to what was compiled at build. Anything else it compiles once and keeps there.
cp -rsf /opt/standings/numba/. "$NUMBA_CACHE_DIR" || {
    echo "standings: $NUMBA_CACHE_DIR cannot be written; run the container with --tmpfs /tmp" >&2
    exit 2
}
exec /opt/standings/bin/standings "$@"
