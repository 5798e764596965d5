#!/bin/sh
# What this revision would train in production, into the summary of the workflow: `plan.sh`.
#
# AIDRUG_LEDGER        where production publishes its ledger; without it the plan is that of an empty installation
# GITHUB_STEP_SUMMARY  file of the summary; standard output when unset
set -eu

cd "$(dirname "$0")/../.."
aidrug=${AIDRUG:-.venv/bin/aidrug}
summary=${GITHUB_STEP_SUMMARY:-/dev/stdout}

against="what production made"
[ -n "${AIDRUG_LEDGER:-}" ] || against="an empty installation: the variable \`AIDRUG_LEDGER\` names no ledger of production"
printf '## What would be trained\n\nCompared with %s.\n\n' "$against" >>"$summary"
code=0
"$aidrug" plan --markdown --ledger "${AIDRUG_LEDGER:-.aidrug/no-ledger}" >>"$summary" || code=$?
# 2 says that something is stale, which is what one wants to know, and no failure.
[ "$code" = 0 ] || [ "$code" = 2 ] || exit "$code"
