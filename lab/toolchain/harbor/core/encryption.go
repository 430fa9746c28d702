package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"os"
	"strings"
)

const encryptionHeader = "<enc-v1>"

// secretKeyStream encrypts stored credentials with the file KEY_PATH, read at each use. Nothing tells a wrong key from
// a right one: what was stored under another decrypts to garbage. AES takes 16 bytes: one newline more is an error.
func secretKeyStream(path string, iv []byte, decrypt bool) (cipher.Stream, error) {
	key, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if decrypt {
		return cipher.NewCFBDecrypter(block, iv), nil //nolint:staticcheck // Harbor's own form
	}
	return cipher.NewCFBEncrypter(block, iv), nil //nolint:staticcheck // Harbor's own form
}

func encryptSecret(path, plain string) (string, error) {
	text := make([]byte, aes.BlockSize+len(plain))
	rand.Read(text[:aes.BlockSize])
	stream, err := secretKeyStream(path, text[:aes.BlockSize], false)
	if err != nil {
		return "", err
	}
	stream.XORKeyStream(text[aes.BlockSize:], []byte(plain))
	return encryptionHeader + base64.StdEncoding.EncodeToString(text), nil
}

func decryptSecret(path, stored string) (string, error) {
	text, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(stored, encryptionHeader))
	if err != nil {
		return "", err
	}
	if len(text) < aes.BlockSize {
		return "", errors.New("cipherText too short")
	}
	stream, err := secretKeyStream(path, text[:aes.BlockSize], true)
	if err != nil {
		return "", err
	}
	plain := make([]byte, len(text)-aes.BlockSize)
	stream.XORKeyStream(plain, text[aes.BlockSize:])
	return string(plain), nil
}
