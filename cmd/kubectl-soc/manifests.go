package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
	"github.com/tocsin-dev/tocsin/connectors/memory"
	"github.com/tocsin-dev/tocsin/internal/lint"
)

// offline is what manifests are checked against: every type of connector, none of
// which ever reaches anything.
func (c *cli) offline() lint.Options {
	nowhere := &rest.Config{Host: "https://127.0.0.1:1"}
	return lint.Options{
		Factories: connectors.Factories{v1alpha1.ConnectorKubernetes: kubernetes.Factory(nowhere, nil)},
		Memory:    func(namespace string) connectors.Asker { return memory.New(namespace, nil, nil, nil, c.now) },
		Now:       c.now(),
	}
}

// manifests reads the YAML files of folders and what is named itself; - is what comes in.
func (c *cli) manifests(paths []string) ([]lint.File, error) {
	var files []lint.File
	for _, path := range paths {
		before := len(files)
		var err error
		if path == "-" {
			var data []byte
			data, err = io.ReadAll(c.In)
			files = append(files, lint.File{Name: "-", Data: data})
		} else {
			files, err = appendFiles(files, path)
		}
		if err != nil {
			return nil, err
		}
		if len(files) == before {
			return nil, fmt.Errorf("there is no YAML file in %s", path)
		}
	}
	return files, nil
}

func appendFiles(files []lint.File, root string) ([]lint.File, error) {
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == root && !entry.IsDir():
		case entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case entry.IsDir() || !isManifest(entry.Name()):
			return nil
		}
		data, err := os.ReadFile(path)
		files = append(files, lint.File{Name: filepath.ToSlash(path), Data: data})
		return err
	})
	return files, err
}

// isManifest leaves out what only kustomize reads.
func isManifest(name string) bool {
	extension := filepath.Ext(name)
	return (extension == ".yaml" || extension == ".yml") && strings.TrimSuffix(name, extension) != "kustomization"
}

// format is the flag -o of verbs that print no objects.
type format struct {
	value   string
	allowed []string
}

func (f *format) addFlag(cmd *cobra.Command, usage string) {
	cmd.Flags().StringVarP(&f.value, "output", "o", "", usage)
	// The flag exists, so this cannot fail.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(f.allowed, cobra.ShellCompDirectiveNoFileComp))
}

func (f *format) check() error {
	if f.value != "" && !slices.Contains(f.allowed, f.value) {
		return fmt.Errorf("--output: must be %s, not %q", strings.Join(f.allowed, " or "), f.value)
	}
	return nil
}
