package answers

import (
	"crypto/subtle"
	"net/http"
	"strings"
)

// BearsSecret says whether the request has the header "Authorization: Harbor-Secret ..." with this very secret.
func BearsSecret(r *http.Request, secret string) bool {
	given, found := strings.CutPrefix(r.Header.Get("Authorization"), "Harbor-Secret ")
	return found && given != "" && subtle.ConstantTimeCompare([]byte(given), []byte(secret)) == 1
}
