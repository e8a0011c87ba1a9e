package activity

import (
	"strings"
	"testing"
	"time"
)

func TestResemblance(t *testing.T) {
	tcpdump := []string{"tcpdump -ni eth0 -c 9 port 53", "tcpdump -ni any host a", "tcpdump -ni eth0 port 443 or port 80"}
	install := []string{
		"install -m 600 -o gls /run/keys/gls.pub /home/gls/.ssh/authorized_keys",
		"install -m 600 -o raben /run/keys/raben.pub /home/raben/.ssh/authorized_keys",
	}
	tests := map[string]struct {
		name  string
		known []string
		value string
		want  resemblance
	}{
		"one word in several places":        {"proc.cmdline", install, "install -m 600 -o rhenus /run/keys/rhenus.pub /home/rhenus/.ssh/authorized_keys", ofKind},
		"one word, in one place only":       {"fd.name", []string{"/home/gls/.ssh/keys"}, "/home/raben/.ssh/keys", strange},
		"a word that many are after":        {"proc.cmdline", install, "install -m 600 -o root /run/keys/root.pub /home/root/.ssh/authorized_keys", strange},
		"a file that many are after":        {"fd.name", []string{"/host/etc/security/a", "/host/etc/security/b", "/host/etc/security/c"}, "/host/etc/security/shadow", strange},
		"called as needed":                  {"proc.cmdline", tcpdump, "tcpdump -ni eth0 -c 20 port 5432 and tcp[tcpflags] & tcp-rst != 0", ofKind},
		"called with an option of its own":  {"proc.cmdline", tcpdump, "tcpdump -ni eth0 -z evil", strange},
		"called for what many are after":    {"proc.cmdline", tcpdump, "tcpdump -ni eth0 -c 9 /root/x", strange},
		"called twice is nearly as needed":  {"proc.cmdline", tcpdump[:2], "tcpdump -ni eth0 host b and port 5432", near},
		"another program":                   {"proc.cmdline", tcpdump, "dump -ni eth0", strange},
		"no program":                        {"title", []string{"Shell a", "Shell b c", "Shell d e f"}, "Shell g", strange},
		"a shell runs anything":             {"proc.cmdline", []string{"/bin/sh -c a", "/bin/sh -c b c", "/bin/sh -c d e f"}, "/bin/sh -c g h i j", strange},
		"other folders to look through":     {"proc.cmdline", []string{"grep -r -e a: -e b: -e c: /host/etc /host/tmp"}, "grep -r -e a: -e b: -e c: /host/opt /host/srv", near},
		"folders that many are after":       {"proc.cmdline", []string{"grep -r -e a: -e b: -e c: /host/etc /host/tmp"}, "grep -r -e a: -e b: -e c: /host/root /host/srv", strange},
		"too much of little":                {"proc.cmdline", []string{"cat /data/orders"}, "cat /data/customers", strange},
		"another state":                     {"proc.cmdline", []string{"sh -c /scripts/changed.sh postgres true master"}, "sh -c /scripts/changed.sh postgres true replica", near},
		"a shell after all":                 {"proc.cmdline", []string{"sh -c /scripts/changed.sh postgres true master"}, "sh -c /scripts/changed.sh postgres true bash", strange},
		"somebody else's program":           {"proc.cmdline", []string{"sudo -u app date"}, "sudo -u app reboot", strange},
		"what Python runs":                  {"proc.cmdline", []string{"python3 -c print(a)", "python3 -m json.tool", "python3 /app/manage.py check"}, "python3 /tmp/x.py", strange},
		"another place to copy to":          {"proc.cmdline", []string{"cp -r -p -v /data/a /data/b"}, "cp -r -p -v /data/a /usr/bin", strange},
		"several commands":                  {"proc.cmdline", []string{"run /a sync halt now"}, "run /a\nsync halt later", strange},
		"a program that does much":          {"proc.cmdline", []string{"psql -U app -c a", "psql -U app -c b c", "psql -U app -l"}, "psql -U app -c COPY t FROM PROGRAM", strange},
		"an end that is not known":          {"proc.cmdline", tcpdump, "tcpdump -ni eth0 " + strings.Repeat("or port 53 ", 30), strange},
		"another script":                    {"proc.cmdline", []string{"sh -c /scripts/changed.sh postgres true master"}, "sh -c /tmp/changed.sh postgres true master", strange},
		"another host":                      {"proc.cmdline", []string{"backup --all --to backup.example --quiet"}, "backup --all --to evil.example --quiet", strange},
		"another user of a host":            {"proc.cmdline", []string{"backup --all --to a@backup --quiet"}, "backup --all --to a@evil --quiet", strange},
		"another address nearby":            {"fd.name", []string{"10.0.0.9:40000->140.82.121.36:443"}, "10.0.0.9:40000->140.82.112.36:443", near},
		"an address of another customer":    {"fd.name", []string{"10.0.0.9:40000->3.120.4.5:443"}, "10.0.0.9:40000->3.120.200.9:443", strange},
		"an address that a command reaches": {"proc.cmdline", []string{"fetch http://140.82.121.36/a"}, "fetch http://140.82.112.36/a", strange},
		"another address far away":          {"fd.name", []string{"10.0.0.9:40000->140.82.121.36:443"}, "10.0.0.9:40000->203.0.113.36:443", strange},
		"another port nearby":               {"fd.name", []string{"10.0.0.9:40000->140.82.121.36:443"}, "10.0.0.9:40000->140.82.112.36:4444", strange},
		"nothing":                           {"proc.cmdline", tcpdump, "", strange},
		"of nothing":                        {"proc.cmdline", nil, "tcpdump", strange},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := &shapes{has: map[string]bool{}}
			for _, known := range test.known {
				s.has[shape(known)] = true
			}
			if got := s.resemblance(detail{test.name, test.value, shape(test.value)}); got != test.want {
				t.Errorf("resemblance(%q) is %d, want %d", test.value, got, test.want)
			}
		})
	}
}

func TestUsual(t *testing.T) {
	tests := map[string]struct {
		of   Familiarity
		want bool
	}{
		"for weeks, now and then":        {Familiarity{Hours: 4, Known: 14 * 24 * time.Hour}, true},
		"for weeks, hardly ever":         {Familiarity{Hours: 3, Known: 60 * 24 * time.Hour}, false},
		"for a week, all the time":       {Familiarity{Hours: 96, Known: 7 * 24 * time.Hour}, true},
		"for a week, now and then":       {Familiarity{Hours: 95, Known: 7 * 24 * time.Hour}, false},
		"for some days, every hour":      {Familiarity{Hours: 100, Known: 6 * 24 * time.Hour}, false},
		"nothing of the kind was before": {Familiarity{}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := test.of.Usual(); got != test.want {
				t.Errorf("usual: %t", got)
			}
		})
	}
}

// FuzzResemblance: no text makes what many are after one of its kind.
func FuzzResemblance(f *testing.F) {
	f.Add("proc.cmdline", "tcpdump -ni eth0", "tcpdump -i any", "tcpdump port 53", "tcpdump -ni", "")
	f.Add("fd.name", "/home/a/.ssh/keys", "/home/b/.ssh/keys", "/home/c/.ssh/keys", "/home/", "/.ssh/keys")
	f.Add("fd.name", "10.0.0.9:40000->140.82.121.36:443", "", "", "10.0.0.9:40000->140.82.112.36:443", "")
	f.Fuzz(func(t *testing.T, name, a, b, c, before, after string) {
		known := strings.ToLower(a + b + c)
		if strings.Contains(known, "shadow") {
			return
		}
		s := &shapes{has: map[string]bool{shape(a): true, shape(b): true, shape(c): true}}
		value := before + "shadow" + after
		if shape := shape(value); strings.Contains(shape, "shadow") && s.resemblance(detail{name, value, shape}) != strange {
			t.Errorf("%q resembles %q, %q, %q", value, a, b, c)
		}
	})
}

// TestResemblanceIsSteady: what is known is kept in no order.
func TestResemblanceIsSteady(t *testing.T) {
	for range 200 {
		s := &shapes{has: map[string]bool{"a b c d x x": true, "a b c d y z": true}}
		if got := s.resemblance(detail{"proc.cmdline", "a b c d n n", "a b c d n n"}); got != strange {
			t.Fatalf("resemblance is %d", got)
		}
	}
}

// TestNoDetailHidesACommand: however many others an alert has.
func TestNoDetailHidesACommand(t *testing.T) {
	known := &shapes{has: map[string]bool{"10.0.0.9->140.82.121.36:443": true}}
	var crowd Differences
	for _, name := range strings.Fields("a b c d e f g h i j") {
		crowd.add(detail{name, "10.0.0.9->140.82.112.36:443", "10.0.0.9->140.82.112.36:443"}, known, 40)
	}
	crowd.add(detail{"proc.cmdline", "run /a b c d", "run /a b c d"}, &shapes{has: map[string]bool{"run /a b c e": true}}, 40)
	if last := crowd.Near[len(crowd.Near)-1]; len(crowd.Near) != maxUnfamiliar+1 || last.Name != "proc.cmdline" {
		t.Errorf("a command that is nearly known is not told: %v", crowd.Near)
	}

	var found Differences
	for _, name := range strings.Fields("a b c d e f g h i j") {
		found.add(detail{name, "10.0.0.9->140.82.112.36:443", "10.0.0.9->140.82.112.36:443"}, known, 40)
		found.add(detail{name, "x", "x"}, known, 40)
	}
	for _, name := range []string{"command", "proc.cmdline", "proc.exepath"} {
		found.add(detail{name, "bash -i", "bash -i"}, &shapes{has: map[string]bool{"run": true}}, 40)
		if last := found.New[len(found.New)-1]; last.Name != name {
			t.Errorf("%s is not told: %v", name, found.New)
		}
	}
	if len(found.New) != maxUnfamiliar+3 || len(found.Near) > maxUnfamiliar {
		t.Errorf("%d new and %d near are told", len(found.New), len(found.Near))
	}
}
