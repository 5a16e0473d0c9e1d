#!/bin/sh
# sh scripts/examples/propbank-projected.sh MODEL: the events that MODEL finds on the English side
# of runs/propbank/parallel (from scripts.experiments.parallel_events), projected to the other side.
set -e
in=runs/propbank/parallel out=runs/propbank/projected
mkdir -p $out
for l in spa fra ita deu fin zho ind hun; do
  xlt predict "$1" $in/eng-$l.jsonl --input-format jsonl -o $in/eng-$l.events.jsonl
  xlt project $in/eng-$l.events.jsonl $out/$l.jsonl --task event_extraction --from eng --to $l \
    --translator given projection.translator.file=$in/eng-$l.$l.txt projection.tokenise=false \
    'projection.aligner={name: agreement, parallel: [ntrex]}' \
    'task={name: event_extraction, parts: [triggers, arguments], spans: head}'
done
