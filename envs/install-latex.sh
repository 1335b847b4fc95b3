#!/bin/sh
# Install what the paper needs of LaTeX with apt, where it is missing.
if command -v latexmk >/dev/null && kpsewhich aastex631.cls >/dev/null; then exit 0; fi
packages="latexmk texlive-latex-base texlive-latex-recommended texlive-publishers texlive-plain-generic
    texlive-fonts-recommended lmodern"
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "LaTeX is missing: install latexmk and the class aastex631 (on Debian, as root: apt-get install" $packages"), then run make again." >&2
    exit 1
fi
echo "Installing LaTeX (about 300 MB)" >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # one word a package
apt-get -qq update && apt-get -qq install -y --no-install-recommends $packages >/dev/null
