#!/bin/sh
# Brings a stack up under the policy pack, after one more preview: the engine asks policies of whole stacks when all is
# done, so that what these find stops nothing any more once an `up` has begun.
# Usage: up.sh STACK
set -eu
environment=$(pulumi config get --path evenkeel:cluster.environment --stack "$1")
pulumi up --yes --non-interactive --suppress-outputs --stack "$1" \
    --policy-pack policy --policy-pack-config "policy/$environment.json"
