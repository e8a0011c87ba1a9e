package activity

import (
	"strings"
	"testing"
)

func TestShapesFit(t *testing.T) {
	tests := map[string]struct {
		known []string
		shape string
		want  bool
	}{
		"one word of a command":          {[]string{"sync-keys --partner gls", "sync-keys --partner raben", "sync-keys --partner dachser"}, "sync-keys --partner rhenus", true},
		"one part of a path":             {[]string{"/home/gls/.ssh/keys", "/home/raben/.ssh/keys", "/home/dachser/.ssh/keys"}, "/home/rhenus/.ssh/keys", true},
		"two known are too few":          {[]string{"sync-keys --partner gls", "sync-keys --partner raben"}, "sync-keys --partner rhenus", false},
		"another program":                {[]string{"sync-keys --partner gls", "sync-keys --partner raben", "sync-keys --partner dachser"}, "sync-mail --partner rhenus", false},
		"another option":                 {[]string{"sync --partner gls", "sync --partner raben", "sync --partner dachser"}, "sync --exec gls", false},
		"a place for an option":          {[]string{"pip install -a", "pip install -b", "pip install -c"}, "pip install --index-url", false},
		"an option in a place for names": {[]string{"pip install a", "pip install b", "pip install c"}, "pip install -e", false},
		"more words":                     {[]string{"pip install a", "pip install b", "pip install c"}, "pip install d; id", false},
		"what separates":                 {[]string{"pip install a", "pip install b", "pip install c"}, "pip install|d", false},
		"a host that never differed":     {[]string{"curl https://files.example/a.zip", "curl https://files.example/b.zip", "curl https://files.example/c.zip"}, "curl https://evil.example/d.zip", false},
		"two places that differed":       {[]string{"curl https://a.example/x/a.zip -o a", "curl https://b.example/x/b.zip -o a", "curl https://c.example/x/c.zip -o a"}, "curl https://d.example/x/d.zip -o a", false},
		"two places of a program":        {[]string{"pull https://a.example/x/a.zip -o a", "pull https://b.example/x/b.zip -o a", "pull https://c.example/x/c.zip -o a"}, "pull https://d.example/x/d.zip -o a", true},
		"another program each time":      {[]string{"cat /var/log/app/now", "tail /var/log/app/now", "head /var/log/app/now"}, "rm /var/log/app/now", false},
		"a program elsewhere":            {[]string{"/opt/a/run --all --of it --now", "/opt/b/run --all --of it --now", "/opt/c/run --all --of it --now"}, "/opt/d/run --all --of it --now", false},
		"what is piped on":               {[]string{"x -a /data/in/list | sort", "x -a /data/in/list | wc", "x -a /data/in/list | uniq"}, "x -a /data/in/list | bash", false},
		"a place that many are after":    {[]string{"/host/etc/kubernetes/manifests/a", "/host/etc/kubernetes/manifests/b"}, "/host/etc/kubernetes/manifests/c", false},
		"nothing but places":             {[]string{"ls", "df", "ps"}, "sh", false},
		"one word that stays":            {[]string{"/etc/hosts", "/etc/fstab", "/etc/motd"}, "/etc/shadow", false},
		"a known one itself":             {[]string{"pip install a"}, "pip install a", false},
		"nothing":                        {nil, "", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := &shapes{has: map[string]bool{}}
			for _, known := range test.known {
				s.has[known] = true
			}
			if got := s.fits(test.shape, strings.Contains(test.shape, " ")); got != test.want {
				t.Errorf("fits(%q) is %t", test.shape, got)
			}
		})
	}
}

func FuzzWordsOf(f *testing.F) {
	f.Add("/usr/bin/curl -fsSL https://files.example/a_b-c.zip; id")
	f.Fuzz(func(t *testing.T, shape string) {
		words := wordsOf(shape)
		if len(words)%2 != 0 || strings.Join(words, "") != shape {
			t.Errorf("%q became %q", shape, words)
		}
	})
}
