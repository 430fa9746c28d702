package main

import (
	"crypto/rsa"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/docker/libtrust"
	"github.com/golang-jwt/jwt/v5"

	"evenkeel/lab/toolchain/harbor/internal/logs"
)

const (
	tokenIssuer   = "harbor-token-issuer"
	tokenAudience = "harbor-registry"
	tokenLifetime = 30 * time.Minute
	clockLeeway   = 60 * time.Second
)

func init() { jwt.MarshalSingleStringAsArray = false }

// resourceActions is one entry of a token's "access" claim.
type resourceActions struct {
	Type    string   `json:"type"`
	Class   string   `json:"class,omitempty"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

type claims struct {
	jwt.RegisteredClaims
	Access []resourceActions `json:"access"`
}

// mint signs with the key file as it is now. libtrust, which gives the key's id, knows no PKCS#8: with such a key no
// token is minted, although verify reads it.
func mint(keyPath, user string, access []resourceActions, now time.Time) (string, error) {
	text, err := os.ReadFile(keyPath)
	if err != nil {
		logs.Errorf("failed to read private key %v", err)
		return "", err
	}
	identity, err := libtrust.UnmarshalPrivateKeyPEM(text)
	if err != nil {
		return "", err
	}
	key, err := rsaKey(text)
	if err != nil {
		return "", err
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, &claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    tokenIssuer,
			Subject:   user,
			Audience:  jwt.ClaimStrings{tokenAudience},
			ExpiresAt: jwt.NewNumericDate(now.Add(tokenLifetime)),
			NotBefore: jwt.NewNumericDate(now),
			IssuedAt:  jwt.NewNumericDate(now),
			ID:        randomString(16),
		},
		Access: access,
	})
	token.Header["kid"] = identity.KeyID()
	return token.SignedString(key)
}

// verify asks only whether this node's key signed the token, and whether it is valid now: the "kid" is not looked at.
func verify(keyPath, raw string) (*claims, error) {
	text, err := os.ReadFile(keyPath)
	if err != nil {
		logs.Errorf("failed to read private key %v", err)
		return nil, err
	}
	key, err := rsaKey(text)
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(jwt.WithLeeway(clockLeeway), jwt.WithValidMethods([]string{"RS256"}), jwt.WithAudience(tokenAudience))
	found := &claims{}
	if _, err := parser.ParseWithClaims(raw, found, func(*jwt.Token) (any, error) { return &key.PublicKey, nil }); err != nil {
		logs.Errorf("parse token error, %v", err)
		return nil, err
	}
	if found.IssuedAt == nil {
		return nil, errors.New("bearer token missing iat claim, rejecting")
	}
	return found, nil
}

func rsaKey(text []byte) (*rsa.PrivateKey, error) {
	if len(text) == 0 {
		return nil, errors.New("key is provided") // Harbor's words for an empty file
	}
	return jwt.ParseRSAPrivateKeyFromPEM(text)
}

// requestedAccess splits "repository:library/alpine:pull,push" and the like.
func requestedAccess(scopes []string) []resourceActions {
	var result []resourceActions
	for _, scope := range scopes {
		if scope == "" {
			continue
		}
		items := strings.Split(scope, ":")
		access := resourceActions{Type: items[0], Actions: []string{}}
		switch last := len(items) - 1; {
		case last == 1:
			access.Name = items[1]
		case last > 1:
			access.Name = strings.Join(items[1:last], ":")
			if items[last] != "" {
				access.Actions = strings.Split(items[last], ",")
			}
		}
		result = append(result, access)
	}
	return result
}
