package main

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
)

// iterations by the name that the database keeps beside a password. 2.15.2 made admin's password cost 0.1 s.
var iterations = map[string]int{"sha256": 4096, "pbkdf2_sha256": 600000}

func hashed(content, salt, kind string) string {
	key, err := pbkdf2.Key(sha256.New, content, []byte(salt), iterations[kind], 16)
	if err != nil {
		panic(err) // only for parameters that FIPS mode refuses
	}
	return hex.EncodeToString(key)
}

func randomString(length int) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	result := make([]byte, length)
	rand.Read(result)
	for i, b := range result {
		result[i] = letters[int(b)%len(letters)]
	}
	return string(result)
}
