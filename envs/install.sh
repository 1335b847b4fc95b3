#!/bin/sh
# Make .venv ready, which is all that `make` needs: find a Python, see that the system brings what pip cannot (a C
# compiler, LaTeX, venv), then let install.py fill .venv. Does nothing, in a tenth of a second, where all is there.
#
#   PYTHON    the interpreter to take; without it, the newest that works
#   CC        the C compiler, cc without it
#   --system  stop before .venv
cd "$(dirname "$0")/.." || exit 1

range="CPython 3.11 to 3.13"
latex="latexmk texlive-latex-base texlive-latex-recommended texlive-publishers texlive-plain-generic
    texlive-fonts-recommended lmodern"

fail() {
    echo "$*" >&2
    exit 1
}

# Is $1 an interpreter of the range? It has to run to say so: a shim of pyenv is there and does not.
in_range() {
    "$1" -c 'import sys
sys.exit(sys.implementation.name != "cpython" or not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1
}

# Debian has taken ensurepip out of its Python, into the package python3-venv.
has_venv() {
    "$1" -c 'import ensurepip, venv' >/dev/null 2>&1
}

version() {
    "$1" -c 'import platform; print(platform.python_version())' 2>/dev/null
}

# Each installation has its own python3.12, and the first in the path may be the one that does not run: try all.
every() {
    echo "$PATH" | tr : '\n' | while read -r folder; do
        [ -x "$folder/$1" ] && echo "$folder/$1"
    done
}

# Set `python`, or `incomplete` to one that would do if it had venv.
find_python() {
    python="" incomplete=""
    set -- python3.13 python3.12 python3.11 python3 python
    [ -z "$PYTHON" ] || set -- "$PYTHON"
    for name; do
        case $name in */*) found=$name ;; *) found=$(every "$name") ;; esac
        while read -r candidate; do
            in_range "$candidate" || continue
            if has_venv "$candidate"; then python=$candidate && return; fi
            incomplete=${incomplete:-$candidate}
        done <<END
$found
END
    done
}

# What is missing: `lacks` in words, `packages` as Debian calls it.
look() {
    lacks="" packages=""
    if ! current; then
        find_python
        if [ -z "$python" ] && [ -n "$incomplete" ]; then
            lacks="$lacks, the module venv of $incomplete"
            packages="$packages python$(version "$incomplete" | cut -d. -f1,2)-venv"
        elif [ -z "$python" ]; then
            there=$(version "${PYTHON:-python3}") && there=" (${PYTHON:-python3} is $there)"
            [ -z "$PYTHON" ] || fail "PYTHON=$PYTHON does not run as $range$there: name one that does, or leave PYTHON out."
            [ -z "$there" ] || fail "No $range works here$there: install one beside it, then run make again."
            lacks="$lacks, $range"
            packages="$packages python3 python3-venv"
        fi
    fi
    if ! echo '#include <math.h>' | ${CC:-cc} -E - >/dev/null 2>&1; then
        [ -z "$CC" ] || fail "CC=$CC does not compile: name a C compiler that does, or leave CC out."
        lacks="$lacks, a C compiler"
        packages="$packages gcc libc6-dev"
    fi
    if ! command -v latexmk >/dev/null || ! kpsewhich aastex631.cls >/dev/null 2>&1; then
        lacks="$lacks, LaTeX with latexmk and aastex631"
        packages="$packages $latex"
    fi
    lacks=${lacks#, }
    packages=$(echo $packages) # one space between words
}

# Is .venv complete, not older than what it is made from, and of the Python that PYTHON names?
current() {
    [ -e .venv/installed ] && in_range .venv/bin/python || return 1
    for source in envs/requirements.lock envs/requirements-data.lock envs/install.py pyproject.toml; do
        [ .venv/installed -nt "$source" ] || return 1
    done
    [ -z "$PYTHON" ] || [ "$(origin "$PYTHON")" = "$(origin .venv/bin/python)" ]
}

origin() {
    "$1" -c 'import sys; print(sys.base_prefix, sys.version)' 2>/dev/null
}

# venv refuses a colon; Snakemake gives the shell the path of .venv/bin/python as it is.
case $PWD in
*[][[:space:]\'\"\$\`\\\;\&\|\<\>\(\)\*\?{}:]*)
    fail "$PWD has a space, a colon, a quote or another character of the shell's, which Snakemake or the virtual" \
        "environment cannot have in its path: move the clone, then run make again."
    ;;
esac

look
if [ -n "$packages" ]; then
    command -v apt-get >/dev/null || fail "This machine lacks $lacks: install that, then run make again."
    install="apt-get update && apt-get install -y --no-install-recommends $packages"
    if [ "$(id -u)" != 0 ]; then
        if command -v sudo >/dev/null; then as_root="sudo sh -c"; else as_root="su -c"; fi
        fail "This machine lacks $lacks. Paste this, then run make again: $as_root '$install'"
    fi
    echo "Installing $lacks with apt, up to 400 MB" >&2
    if ! said=$(DEBIAN_FRONTEND=noninteractive sh -c "$install" 2>&1); then
        # the first download that failed is the cause of the errors after it
        cause=$(echo "$said" | grep -m 1 'Failed to fetch' || echo "$said" | grep -m 1 '^E:' || echo "$said" | tail -n 1)
        fail "apt-get could not install $lacks: $cause"
    fi
    look
    [ -z "$lacks" ] || fail "Debian's packages are installed, and this machine still lacks $lacks: install that, then run make again."
fi

[ "$1" = --system ] || current || exec "$python" envs/install.py
