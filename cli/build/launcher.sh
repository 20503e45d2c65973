#!/bin/sh
# ravn in one file: it unpacks itself once into a cache, and starts from there.
# Needs sh, tail, gzip, tar, mktemp, mkdir, mv and rm. RAVN_CACHE names another cache.
fail() {
  echo "ravn: $1" >&2
  exit 126
}

if [ -n "${RAVN_CACHE:-}" ]; then
  cache=$RAVN_CACHE
elif [ -n "${XDG_CACHE_HOME:-}" ]; then
  cache=$XDG_CACHE_HOME/ravn
elif [ -n "${HOME:-}" ]; then
  cache=$HOME/.cache/ravn
else
  fail "there is no HOME to unpack into; set RAVN_CACHE to a folder that can be written"
fi
app=$cache/@HASH@

# Other versions go, except the one used before.
prune() {
  kept=0
  ls -1t "$cache" 2>/dev/null | while read -r name; do
    case $name in *[!0-9a-f]*) continue ;; esac
    [ ${#name} -eq @HASH_LENGTH@ ] || continue
    kept=$((kept + 1))
    [ $kept -le 2 ] || rm -rf "$cache/$name"
  done
}

# `.complete` is the last file in the archive, and a version appears in the cache by one rename:
# whatever is there is whole, however many first starts run at once.
unpack() {
  umask 077
  mkdir -p "$cache" 2>/dev/null && new=$(mktemp -d "$cache/.new.XXXXXX" 2>/dev/null) ||
    fail "cannot write to $cache; set RAVN_CACHE to a folder that can be written"
  trap 'rm -rf "$new"' EXIT
  trap 'exit 130' HUP INT TERM
  tail -c +@OFFSET@ "$0" | gzip -dc 2>"$new/.gzip" | tar -xf - -C "$new" 2>"$new/.tar"
  if [ ! -f "$new/.complete" ] || [ -s "$new/.gzip" ]; then
    fail "$0 is damaged, or the disk of $cache is full; expected @SIZE@ bytes in all"
  fi
  rm -f "$new/.gzip" "$new/.tar"
  # Looked for in this order, a folder without the mark is one that somebody damaged.
  [ -d "$app" ] && [ ! -f "$app/.complete" ] && rm -rf "$app"
  mv -T "$new" "$app" 2>/dev/null || [ -f "$app/.complete" ] || mv "$new" "$app" 2>/dev/null
  [ -f "$app/.complete" ] || fail "cannot write $app"
  rm -rf "$new" "$app/${new##*/}"
  trap - EXIT HUP INT TERM
  prune
}

[ -f "$app/.complete" ] || unpack
: "${RAVN_ORT_LIB:=$app/@LIBRARY@}"
export RAVN_ORT_LIB
export DENO_DIR="$cache/deno" DENO_NO_UPDATE_CHECK=1
exec "$app/deno" run -A --no-config --no-lock --no-remote --no-npm --quiet "$app/@MAIN@" "$@"
