# Who of an LB's upstreams is up and who is down, after one round of asking. Owns the rules and nothing else: it reads
# three files and prints text. Rules: an upstream that isn't ready goes down at once and comes back with its next good
# answer; one that leaves again soon after its return needs more of them each time; as long as anybody of a service is
# ready, somebody ready is up; when nobody is, those who were up stay so, and after `patience` rounds all are.
#
#   awk -v round=N -v patience=N -v hasty=N -v most=N -v memory=FILE -f upstream-verdicts.awk ROWS MEMORY ANSWERS
#
#   ROWS     service and name of an upstream each line (more columns don't matter)
#   MEMORY   empty, or what the last round left, a line each row: verdict, good answers in a row, how many it needs to
#            come back, round of its return, rounds in which nobody of its service was ready
#   ANSWERS  "row code reason"; code 000 is no answer
#   hasty    rounds after its return in which leaving again counts as flapping; most: the most good answers it may need
#
# Writes the new memory to `memory`, what it decided to standard error, and prints "calm" (everybody up and ready) or
# "wary", and "changed" or "same".

function tell(row, what) { print service[row] ": " name[row] " " what | "cat >&2" }
function leave(row) {
    verdict[row] = "down"; changed = 1
    needs[row] = round - returned[row] >= hasty ? 1 : (2 * needs[row] < most ? 2 * needs[row] : most)
    tell(row, "is not ready (" why[row] "): no new connections")
}
function come_back(row) {
    verdict[row] = "up"; changed = 1
    returned[row] = round
    tell(row, "is ready: takes connections")
}
FILENAME == ARGV[1] {
    rows = FNR; service[FNR] = $1; name[FNR] = $2
    verdict[FNR] = "up"; good[FNR] = 0; needs[FNR] = 1; returned[FNR] = -hasty; unanswered[FNR] = 0
    why[FNR] = "curl gave no answer for it"
    next
}
FILENAME == ARGV[2] {
    verdict[FNR] = $1; good[FNR] = $2; needs[FNR] = $3; returned[FNR] = $4; unanswered[FNR] = $5
    next
}
{
    row = $1; code = $2
    ready[row] = code == 200
    sub(/^[0-9]+ [0-9]+ ?/, "")
    why[row] = code > 0 ? "HTTP " code : $0
}
END {
    for (row = 1; row <= rows; row++) {
        good[row] = ready[row] ? good[row] + 1 : 0
        if (ready[row]) answers[service[row]]++
    }
    for (row = 1; row <= rows; row++) {
        if (unanswered[row] >= patience && answers[service[row]]) changed = 1
        unanswered[row] = answers[service[row]] ? 0 : unanswered[row] + 1
        if (answers[service[row]] && !ready[row] && verdict[row] == "up") leave(row)
        else if (ready[row] && verdict[row] == "down" && good[row] >= needs[row]) come_back(row)
        else if (unanswered[row] == patience) {
            verdict[row] = "up"; changed = 1
            tell(row, "is not ready (" why[row] "), nor is any other: takes connections")
        }
        if (ready[row] && verdict[row] == "up") serving[service[row]]++
    }
    mood = "calm"
    for (row = 1; row <= rows; row++) {
        if (ready[row] && !serving[service[row]]) come_back(row)
        if (!ready[row] || verdict[row] == "down") mood = "wary"
        print verdict[row], good[row], needs[row], returned[row], unanswered[row] > memory
    }
    print mood, changed ? "changed" : "same"
}
