// Package content reads what ships.
package content

import (
	"fmt"
	"os"
	"path/filepath"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Detections are the rules that get installed, of the folder config.
func Detections(config string) ([]v1alpha1.DetectionRule, error) {
	return read[v1alpha1.DetectionRule](filepath.Join(config, "detections"), "DetectionRule")
}

// Optional are the rules that a tenant installs who wants them.
func Optional(config string) ([]v1alpha1.DetectionRule, error) {
	return read[v1alpha1.DetectionRule](filepath.Join(config, "detections", "optional"), "DetectionRule")
}

// Playbooks are those that get installed.
func Playbooks(config string) ([]v1alpha1.Playbook, error) {
	return read[v1alpha1.Playbook](filepath.Join(config, "playbooks"), "Playbook")
}

// read reads the objects of a kind in a folder, one a file.
func read[T any](dir, kind string) ([]T, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var found []T
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var meta metav1.TypeMeta
		if err := yaml.Unmarshal(raw, &meta); err != nil || meta.Kind != kind {
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			continue
		}
		var object T
		if err := yaml.UnmarshalStrict(raw, &object); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		found = append(found, object)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: holds no %s", dir, kind)
	}
	return found, nil
}
