package ldaphale

import (
	"context"
	"net"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"example.com/hale/internal/lab/service"
	"example.com/hale/internal/lab/trial"
)

// maxConns is enough for the workers of a trial.
const maxConns = 4

// Clients are the clients of the server that Server starts.
func Clients() []trial.Client {
	return []trial.Client{{Name: "hale/pool, go-ldap", Open: open}}
}

func open(_ context.Context, address string, dial trial.Dial) (trial.Session, error) {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	p, err := NewPool(address, dial, bind, maxConns)
	if err != nil {
		return trial.Session{}, err
	}
	return trial.Session{
		Request: func(ctx context.Context) error { _, err := Search(ctx, p, everything); return err },
		Close:   func() error { p.Close(); return nil },
	}, nil
}

func bind(c *ldap.Conn) error { return c.Bind("cn=hale", "hale") }

var everything = ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", nil, nil)

// Server starts an LDAP server in this process that lets anybody in and has nothing.
func Server(context.Context) (*service.Server, error) {
	return service.Serve("ldap", serve, nil)
}

// answers are the responses to what is asked (RFC 4511, section 4.1.1).
var answers = map[ber.Tag]ber.Tag{
	ldap.ApplicationBindRequest:     ldap.ApplicationBindResponse,
	ldap.ApplicationSearchRequest:   ldap.ApplicationSearchResultDone,
	ldap.ApplicationExtendedRequest: ldap.ApplicationExtendedResponse,
}

func serve(conn net.Conn) {
	for {
		asked, err := ber.ReadPacket(conn)
		if err != nil || len(asked.Children) < 2 {
			return
		}
		kind, ok := answers[asked.Children[1].Tag]
		if !ok { // unbind
			return
		}
		result := ber.Encode(ber.ClassApplication, ber.TypeConstructed, kind, nil, "")
		result.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, ldap.LDAPResultSuccess, ""))
		result.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", ""))
		result.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", ""))
		answer := ber.NewSequence("")
		answer.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, asked.Children[0].Value, ""))
		answer.AppendChild(result)
		if _, err := conn.Write(answer.Bytes()); err != nil {
			return
		}
	}
}
