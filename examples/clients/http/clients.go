package httphale

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/coder/websocket"

	"example.com/hale"
	"example.com/hale/internal/lab/trial"
)

// Clients are the clients of the server that Server starts.
func Clients() []trial.Client {
	return []trial.Client{
		{Name: "net/http, HTTP/1.1", Open: opener(onlyHTTP1, openRequests)},
		{Name: "net/http, HTTP/2", Open: opener(asServerLikes, openRequests)},
		{Name: "WebSocket (coder/websocket)", Open: opener(asServerLikes, openSockets)},
	}
}

type open = func(ctx context.Context, address string, dial trial.Dial) (trial.Session, error)

// opener gives use an HTTP client whose transport is set up by tune.
func opener(tune func(*http.Transport), use func(*http.Client, string) trial.Session) open {
	return func(_ context.Context, address string, dial trial.Dial) (trial.Session, error) {
		config, err := trusting()
		if err != nil {
			return trial.Session{}, err
		}
		t := NewTransport(dial, config)
		tune(t)
		// The transport closes what is idle only, which a connection to a silent
		// server may not be for it yet.
		dialed := &trial.Dialed{Inner: t.DialContext}
		t.DialContext = dialed.DialContext
		session := use(&http.Client{Transport: t}, address)
		session.Close = func() error {
			dialed.Close()
			t.CloseIdleConnections()
			return nil
		}
		return session, nil
	}
}

func onlyHTTP1(t *http.Transport) {
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
}

// asServerLikes leaves it at HTTP/2, which the server prefers.
func asServerLikes(*http.Transport) {}

func openRequests(client *http.Client, address string) trial.Session {
	return trial.Session{Request: func(ctx context.Context) error { return get(ctx, client, "https://"+address+"/") }}
}

func get(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("http: %s", res.Status)
	}
	return err
}

func openSockets(client *http.Client, address string) trial.Session {
	s := &sockets{client: client, url: "wss://" + address + "/ws", idle: trial.NewSpares(socket.alive, socket.hangUp)}
	return trial.Session{Request: s.request}
}

// sockets keeps WebSockets open.
type sockets struct {
	client *http.Client
	url    string
	idle   trial.Spares[socket]
}

type socket struct {
	*websocket.Conn
	under *hale.Conn // or nil
}

// alive reports that the WebSocket is not dead, as far as is known without
// asking.
func (ws socket) alive() bool { return ws.under == nil || ws.under.Err() == nil }

func (ws socket) hangUp() { ws.CloseNow() }

func (s *sockets) request(ctx context.Context) error {
	ws, err := s.take(ctx)
	if err != nil {
		return err
	}
	err = ws.exchange(ctx, "ping")
	s.idle.Put(ws, err)
	return err
}

// take returns a WebSocket that nobody uses, or a new one.
func (s *sockets) take(ctx context.Context) (socket, error) {
	if ws, ok := s.idle.Take(); ok {
		return ws, nil
	}
	ws, under, err := DialWebSocket(ctx, s.url, s.client)
	return socket{ws, under}, err
}

func (ws socket) exchange(ctx context.Context, text string) error {
	if err := ws.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		return err
	}
	_, got, err := ws.Read(ctx)
	if err == nil && string(got) != text {
		return fmt.Errorf("websocket: %q came back as %q", text, got)
	}
	return err
}
