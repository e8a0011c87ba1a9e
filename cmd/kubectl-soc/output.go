package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// output is the flag -o.
type output string

func (o *output) addFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP((*string)(o), "output", "o", "", "print the API objects instead: json or yaml")
	// The flag exists, so this cannot fail.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
}

// check refuses formats before anything is asked of the API server.
func (o output) check() error {
	switch o {
	case "", "json", "yaml":
		return nil
	}
	return fmt.Errorf("--output: must be json or yaml, not %q", string(o))
}

// print writes an object or a list of them; false means that text is wanted.
func (o output) print(w io.Writer, object runtime.Object) (bool, error) {
	var printer printers.ResourcePrinter
	switch o {
	case "json":
		printer = &printers.JSONPrinter{}
	case "yaml":
		printer = &printers.YAMLPrinter{}
	default:
		return false, nil
	}
	if err := name(object); err != nil {
		return true, err
	}
	return true, (&printers.OmitManagedFieldsPrinter{Delegate: printer}).PrintObj(object, w)
}

// name sets the kinds that the typed client leaves out.
func name(object runtime.Object) error {
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	set := func(o runtime.Object) error {
		gvk, err := apiutil.GVKForObject(o, scheme)
		o.GetObjectKind().SetGroupVersionKind(gvk)
		return err
	}
	if meta.IsListType(object) {
		if err := meta.EachListItem(object, set); err != nil {
			return err
		}
	}
	return set(object)
}
