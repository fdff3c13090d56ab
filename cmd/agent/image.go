package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/eksnode/eksnode/pkg/fault"
)

// imageFile is written when a machine image is made, so that what the machine
// is need not be guessed.
const imageFile = "usr/lib/eksnode/image.json"

// defaultPlatform is that of a machine whose image says nothing: every image
// on which nodeadm runs is EC2's.
const defaultPlatform = "ec2"

// imagePlatform returns the platform that the machine image names.
func imagePlatform(root fs.FS) (string, error) {
	b, err := fs.ReadFile(root, imageFile)
	if errors.Is(err, fs.ErrNotExist) {
		return defaultPlatform, nil
	}
	var image struct {
		Platform string `json:"platform"`
	}
	if err == nil {
		err = json.Unmarshal(b, &image)
	}
	if err != nil {
		return "", fault.New(fault.FactMissing, "Correct the file, or name the platform with --platform.",
			fmt.Errorf("cannot read what this machine image is from /%s: %w", imageFile, err))
	}
	if image.Platform == "" {
		return defaultPlatform, nil
	}
	return image.Platform, nil
}
