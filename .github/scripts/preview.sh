#!/bin/sh
# Previews a stack: its whole diff goes to the log, and its summary, with what policies say, to STACK.md; also where the
# preview fails, as that is what to read then. Tells the workflow whether there are changes, yes or no.
# Usage: preview.sh STACK
set -eu
stack=$1
environment=$(pulumi config get --path evenkeel:cluster.environment --stack "$stack")
status=0
pulumi preview --non-interactive --color=never --diff --stack "$stack" \
    --policy-pack policy --policy-pack-config "policy/$environment.json" >"$stack.log" 2>&1 || status=$?
cat "$stack.log"

# The engine's JSON has no word of policies.
pulumi preview --non-interactive --json --stack "$stack" >"$stack.json" || [ "$status" != 0 ] || status=$?
.venv/bin/python -m ops summarize-preview "$stack.json" >"$stack.md"
changes=yes
if grep -q '^### .*: no change, ' "$stack.md"; then changes=no; fi
{
    echo '```'
    sed -n '/^Policies:/,/^$/p' "$stack.log"
    echo '```'
} >>"$stack.md"

[ -z "${GITHUB_STEP_SUMMARY:-}" ] || cat "$stack.md" >>"$GITHUB_STEP_SUMMARY"
[ -z "${GITHUB_OUTPUT:-}" ] || echo "changes=$changes" >>"$GITHUB_OUTPUT"
exit "$status"
