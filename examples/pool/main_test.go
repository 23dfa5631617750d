package main

import (
	"strings"
	"testing"

	"example.com/hale/internal/lab/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

func TestEveryQuestionIsAnsweredAlthoughTheServerHangsUp(t *testing.T) {
	t.Parallel()
	s := startServer()
	defer s.close()
	var out strings.Builder
	if err := askAll(&out, s, "who", "when", "why"); err != nil {
		t.Fatal(err)
	}
	const want = "who? I do not know\nwhen? I do not know\nwhy? I do not know\nconnections dialled: "
	if !strings.HasPrefix(out.String(), want) {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
}
