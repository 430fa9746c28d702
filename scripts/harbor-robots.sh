# shellcheck shell=sh
# Sees to it that Harbor has the robot accounts that this stack uses, with the passwords that it gave them. Harbor makes
# passwords up itself when it makes a robot; they are set afterwards. Asks this hub only: all share one database.
# Comes on standard input, behind its variables, for it holds secrets: ADMIN_PASSWORD, and
#   ROBOTS   NAME LEVEL PROJECT ACTION[,ACTION...] PASSWORD a line; LEVEL is system or project
# Does not own what the robots are for (components/harbor.py).

here=/usr/local/lib/evenkeel
# shellcheck source=scripts/hub.sh
. "$here/hub.sh"

# api METHOD PATH LINE...: by the administrator. Sets `answer` and `code`; LINEs are more of curl's configuration.
api() {
    api_method=$1 api_path=$2
    shift 2
    answer=$(printf '%s\n' "user = \"admin:$(quoted "$ADMIN_PASSWORD")\"" "$@" |
        ask_hub "$ADDRESS" "/api/v2.0$api_path" --request "$api_method" --write-out '\n%{http_code}') || answer='
000'
    code=$(printf '%s\n' "$answer" | tail -n 1)
}

# json OBJECT: the line of curl's configuration that sends it.
json() {
    printf 'header = "Content-Type: application/json"\ndata = "%s"' "$(quoted "$1")"
}

# full_name NAME LEVEL PROJECT
full_name() {
    if [ "$2" = project ]; then printf 'robot$%s+%s' "$3" "$1"; else printf 'robot$%s' "$1"; fi
}

# has_token NAME PASSWORD: the robot is there, with this password.
has_token() {
    [ "$(printf 'user = "%s:%s"\n' "$1" "$2" |
        ask_hub "$ADDRESS" "/service/token?service=harbor-registry" --output /dev/null --write-out '%{http_code}')" = 200 ]
}

# permissions PROJECT ACTIONS: what the robot may do, as Harbor's API has it.
permissions() {
    permitted=$(printf '%s' "$2" | tr ',' '\n' | sed 's/.*/{"resource":"repository","action":"&"}/' | paste -sd , -)
    printf '[{"kind":"project","namespace":"%s","access":[%s]}]' "$1" "$permitted"
}

refused() {
    cause="Harbor answered $code to $1: $(printf '%s' "$answer" | tr '\n' ' ' | cut -c 1-300)"
    remedy="see what it says"
    [ "$code" != 401 ] || remedy="set evenkeel:harborAdminPassword to the password that admin has now: Harbor reads it from there once only"
    fail robots "$cause" "$remedy"
}

# make_robot NAME LEVEL PROJECT ACTIONS: sets `robot_id`.
make_robot() {
    api POST /robots "$(json "{\"name\":\"$1\",\"level\":\"$2\",\"duration\":-1,\"description\":\"made by Evenkeel\",\"permissions\":$(permissions "$3" "$4")}")"
    case $code in
    201) ;;
    409) find_robot "$@" ;;
    *) refused "a robot for project $3" ;;
    esac
    robot_id=$(printf '%s' "$answer" | grep -o '"id": *[0-9]*' | head -n 1 | tr -dc 0-9)
    [ -n "$robot_id" ] || refused "a robot for project $3"
}

# find_robot NAME LEVEL PROJECT: a robot that an earlier run made, or that somebody gave another password.
find_robot() {
    find_query="q=name%3D$1"
    if [ "$2" = project ]; then
        api GET "/projects/$3"
        [ "$code" = 200 ] || refused "project $3"
        find_query="q=Level%3Dproject%2CProjectID%3D$(printf '%s' "$answer" | grep -o '"project_id": *[0-9]*' | head -n 1 | tr -dc 0-9)%2Cname%3D$3%252B$1"
    fi
    api GET "/robots?$find_query"
    [ "$code" = 200 ] || refused "a search for robot $1"
}

# ensure NAME LEVEL PROJECT ACTIONS PASSWORD
ensure() {
    ! has_token "$(full_name "$1" "$2" "$3")" "$5" || return 0
    make_robot "$1" "$2" "$3" "$4"
    api PATCH "/robots/$robot_id" "$(json "{\"secret\":\"$5\"}")"
    [ "$code" = 200 ] || refused "a password for robot $1"
    has_token "$(full_name "$1" "$2" "$3")" "$5" ||
        fail robots "Harbor gives robot $(full_name "$1" "$2" "$3") no token with the password that it has now" "in Harbor's portal, enable that robot, or set the prefix of robots' names (Configuration, System Settings) back to robot\$"
    say "robot $(full_name "$1" "$2" "$3") has its password"
}

use_installed_settings
while read -r name level project actions password; do
    [ -z "$name" ] || ensure "$name" "$level" "$project" "$actions" "$password"
done <<ROBOTS
$ROBOTS
ROBOTS
