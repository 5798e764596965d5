#!/bin/sh
# Which versions changed after `make lock UPGRADE=1`, into the summary of the workflow.
set -eu

cd "$(dirname "$0")/../.."
summary=${GITHUB_STEP_SUMMARY:-/dev/stdout}
{
    echo "## Newest versions"
    echo
    if git diff --quiet -- constraints.txt; then
        echo "Nothing changed."
    else
        echo '```diff'
        git diff --unified=0 -- constraints.txt | grep '^[+-][a-z0-9]'
        echo '```'
        echo "They are tested below; take them with \`make lock UPGRADE=1\`."
    fi
} >>"$summary"
