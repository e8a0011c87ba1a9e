package main

import (
	"errors"
	"flag"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	tests := map[string]struct {
		args []string
		env  map[string]string

		wantErr string
		want    func(*options) bool
	}{
		"without flags": {want: func(o *options) bool {
			return o.namespace == "tocsin-system" && o.node == "" && o.leaderElect && o.dataDir == "/var/lib/tocsin" && o.actionsPerHour == 100
		}},
		"from the downward API": {
			env:  map[string]string{"POD_NAMESPACE": "soc-platform", "NODE_NAME": "node-1"},
			want: func(o *options) bool { return o.namespace == "soc-platform" && o.node == "node-1" },
		},
		"with TLS": {
			args: []string{"--ingest-tls-cert-file=c", "--ingest-tls-key-file=k"},
			want: func(o *options) bool { return o.tlsCert == "c" && o.tlsKey == "k" },
		},
		"a certificate without its key": {args: []string{"--ingest-tls-cert-file=c"}, wantErr: "--ingest-tls-cert-file and --ingest-tls-key-file"},
		"a key without its certificate": {args: []string{"--ingest-tls-key-file=k"}, wantErr: "--ingest-tls-cert-file and --ingest-tls-key-file"},
		"no folder":                     {args: []string{"--data-dir="}, wantErr: "--data-dir"},
		"no action an hour":             {args: []string{"--max-actions-per-hour=0"}, wantErr: "--max-actions-per-hour"},
		"a flag that does not exist":    {args: []string{"--data-directory=x"}, wantErr: "data-directory"},
		"a word that is no flag":        {args: []string{"run"}, wantErr: `"run"`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for _, key := range []string{"POD_NAMESPACE", "NODE_NAME"} {
				t.Setenv(key, tc.env[key])
			}
			o, err := parse(tc.args)
			switch {
			case tc.wantErr != "":
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Errorf("got %v, want an error about %s", err, tc.wantErr)
				}
			case err != nil:
				t.Error(err)
			case !tc.want(o):
				t.Errorf("got %+v", o)
			}
		})
	}
}

func TestHelpIsNoError(t *testing.T) {
	if _, err := parse([]string{"--help"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("got %v, want %v", err, flag.ErrHelp)
	}
}
