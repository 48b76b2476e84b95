# Sourced: copies the folder in STAGE to $TMPDIR, once on each node, and has the data read from there.
if [ -n "${STAGE:-}" ]; then
  export WHYSAID_DATA=${TMPDIR:-/tmp}/whysaid-$SLURM_JOB_ID
fi

stage() {
  [ -n "${STAGE:-}" ] || return 0
  mkdir -p "$WHYSAID_DATA"
  (
    flock 9
    [ -e "$WHYSAID_DATA/.whole" ] || { cp -r "$STAGE/." "$WHYSAID_DATA/" && touch "$WHYSAID_DATA/.whole"; }
  ) 9> "$WHYSAID_DATA/.lock"
}

unstage() {
  [ -z "${STAGE:-}" ] || rm -rf -- "$WHYSAID_DATA"
}
