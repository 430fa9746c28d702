#!/bin/sh
# Puts the summaries into the pull request's one comment of ours: written the first time, changed in place afterwards.
# Usage: comment.sh NUMBER FILE...; gh finds its token in GH_TOKEN, and the repository in GITHUB_REPOSITORY.
set -eu
number=$1
shift
marker='<!-- evenkeel: previews -->'
longest=65000 # GitHub takes 65536 characters
body=$(mktemp)
trap 'rm -f "$body"' EXIT
{
    echo "$marker"
    cat "$@"
} | head -c "$longest" >"$body"
comments=repos/$GITHUB_REPOSITORY/issues/$number/comments
ours=$(gh api --paginate "$comments" --jq ".[] | select(.body | startswith(\"$marker\")) | .id" | head -n 1)
if [ -n "$ours" ]; then
    gh api --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$ours" --field "body=@$body" >/dev/null
else
    gh api --method POST "$comments" --field "body=@$body" >/dev/null
fi
