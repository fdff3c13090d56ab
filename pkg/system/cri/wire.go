package cri

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// message is one of the interface's, as it goes over the wire: grpc is told to leave
// it alone.
type message []byte

// bytesField appends a field that is a string or a message.
func (m message) bytesField(n protowire.Number, value []byte) message {
	return protowire.AppendBytes(protowire.AppendTag(m, n, protowire.BytesType), value)
}

// text appends a string; an empty one is left out, as protobuf has it.
func (m message) text(n protowire.Number, value string) message {
	if value == "" {
		return m
	}
	return m.bytesField(n, []byte(value))
}

// number appends a whole number; a zero is left out.
func (m message) number(n protowire.Number, value uint64) message {
	if value == 0 {
		return m
	}
	return protowire.AppendVarint(protowire.AppendTag(m, n, protowire.VarintType), value)
}

// pair appends an entry of a map of strings.
func (m message) pair(n protowire.Number, key, value string) message {
	return m.bytesField(n, message{}.text(1, key).text(2, value))
}

// fields are those of a message that was read: all values of each number.
type fields struct {
	bytes   map[protowire.Number][][]byte
	numbers map[protowire.Number]uint64 // the last of each
}

var errWire = errors.New("the answer is no message of the runtime interface")

// read takes a message apart. Fields of other kinds are passed over.
func read(b []byte) (fields, error) {
	f := fields{bytes: map[protowire.Number][][]byte{}, numbers: map[protowire.Number]uint64{}}
	for len(b) > 0 {
		n, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			return f, errWire
		}
		b = b[size:]
		switch kind {
		case protowire.BytesType:
			var v []byte
			if v, size = protowire.ConsumeBytes(b); size >= 0 {
				f.bytes[n] = append(f.bytes[n], v)
			}
		case protowire.VarintType:
			var v uint64
			if v, size = protowire.ConsumeVarint(b); size >= 0 {
				f.numbers[n] = v
			}
		default:
			size = protowire.ConsumeFieldValue(n, kind, b)
		}
		if size < 0 {
			return f, errWire
		}
		b = b[size:]
	}
	return f, nil
}

// text is a string, the last of its number.
func (f fields) text(n protowire.Number) string {
	if v := f.bytes[n]; len(v) > 0 {
		return string(v[len(v)-1])
	}
	return ""
}

// sub is a message inside; an absent one is empty.
func (f fields) sub(n protowire.Number) (fields, error) {
	return read([]byte(f.text(n)))
}
