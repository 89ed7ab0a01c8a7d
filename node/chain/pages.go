package chain

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// damage says what is wrong with the bytes of a chain.db.
type damage string

func (d damage) Error() string { return string(d) }

func damaged(format string, args ...any) error { return damage(fmt.Sprintf(format, args...)) }

// What bbolt's file format (version 2, go.etcd.io/bbolt 1.4) fixes, in bytes.
const (
	boltMagic    = 0xED0CDAED
	boltVersion  = 2
	metaSize     = 64
	headerSize   = 16 // of a page: id u64, flags u16, count u16, overflow u32
	elementSize  = 16 // of an entry in a page
	bucketSize   = 16 // root page u64, sequence u64; a root of 0 is a leaf page right behind
	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagFreelist = 0x10
	flagBucket   = 0x01 // of an entry
	minPage      = 1 << 10
	maxPage      = 1 << 24
	maxDepth     = 32 // of a tree; the smallest pages hold far more than 2^32 entries in as many
)

// meta is one of the two pages at the head of the file that name the rest.
type meta struct {
	page, root, free, top, tx uint64
}

// pages reads a bbolt file without bbolt, which trusts what it maps: on damage
// it panics (its own check on a goroutine that nobody can recover), faults
// behind the end of the file, or loops. Each page in use is read once, so the
// walk is as long as the file.
type pages struct {
	r    io.ReaderAt
	meta meta
	used map[uint64]bool
}

// checkPages walks all that a bbolt file has in use. The error is a damage
// unless reading itself failed.
func checkPages(r io.ReaderAt, size int64, buckets ...[]byte) error {
	m, err := newestMeta(r, size)
	if err != nil {
		return err
	}
	p := &pages{r: r, meta: m, used: map[uint64]bool{}}
	if m.top > uint64(size)/m.page {
		return damaged("the file ends after %d of %d pages", uint64(size)/m.page, m.top)
	}
	if err := p.freelist(); err != nil {
		return err
	}
	names := map[string]bool{}
	err = p.tree(m.root, nil, nil, 0, func(flags uint32, key, value []byte) error {
		names[string(key)] = true
		if flags != flagBucket || len(value) < bucketSize {
			return damaged("%q is not a bucket", key)
		}
		if root := binary.LittleEndian.Uint64(value); root != 0 {
			return p.tree(root, nil, nil, 0, record)
		}
		return p.inline(value[bucketSize:])
	})
	if err != nil {
		return err
	}
	for _, b := range buckets {
		if !names[string(b)] {
			return damaged("there are no %s", b)
		}
	}
	return nil
}

func record(flags uint32, _, _ []byte) error {
	if flags != 0 {
		return damaged("a record is marked %d", flags)
	}
	return nil
}

// newestMeta finds the head page that bbolt would go by.
func newestMeta(r io.ReaderAt, size int64) (meta, error) {
	first, err := readMeta(r, 0)
	if err != nil {
		return meta{}, err
	}
	if first.page != 0 {
		second, err := readMeta(r, int64(first.page))
		if err == nil && second.page == first.page && second.tx > first.tx {
			first = second
		}
		return first, err
	}
	for page := int64(minPage); page <= maxPage && page < size; page *= 2 {
		second, err := readMeta(r, page)
		if err != nil || second.page == uint64(page) {
			return second, err
		}
	}
	return meta{}, damaged("neither of its head pages is whole")
}

// readMeta reads the head page at an offset; its page size is 0 where none is.
func readMeta(r io.ReaderAt, at int64) (meta, error) {
	var b [metaSize]byte
	switch _, err := r.ReadAt(b[:], at+headerSize); {
	case errors.Is(err, io.EOF):
		return meta{}, nil
	case err != nil:
		return meta{}, err
	}
	word, long := binary.LittleEndian.Uint32, binary.LittleEndian.Uint64
	h := fnv.New64a()
	_, _ = h.Write(b[:56])
	m := meta{page: uint64(word(b[8:])), root: long(b[16:]), free: long(b[32:]), top: long(b[40:]), tx: long(b[48:])}
	if word(b[:]) != boltMagic || word(b[4:]) != boltVersion || long(b[56:]) != h.Sum64() ||
		m.page < minPage || m.page > maxPage || m.page&(m.page-1) != 0 {
		return meta{}, nil
	}
	return m, nil
}

// page reads a page with its overflow and counts it as used.
func (p *pages) page(id uint64) (b []byte, flags, count uint16, err error) {
	if id < 2 || id >= p.meta.top {
		return nil, 0, 0, damaged("page %d is not in the file", id)
	}
	var head [headerSize]byte
	if _, err := p.r.ReadAt(head[:], int64(id*p.meta.page)); err != nil {
		return nil, 0, 0, err
	}
	if self := binary.LittleEndian.Uint64(head[:]); self != id {
		return nil, 0, 0, damaged("page %d says that it is page %d", id, self)
	}
	more := uint64(binary.LittleEndian.Uint32(head[12:]))
	if id+more >= p.meta.top {
		return nil, 0, 0, damaged("page %d ends behind the file", id)
	}
	for i := id; i <= id+more; i++ {
		if p.used[i] {
			return nil, 0, 0, damaged("page %d is used twice", i)
		}
		p.used[i] = true
	}
	b = make([]byte, (more+1)*p.meta.page)
	if _, err := p.r.ReadAt(b, int64(id*p.meta.page)); err != nil {
		return nil, 0, 0, err
	}
	return b, binary.LittleEndian.Uint16(b[8:]), binary.LittleEndian.Uint16(b[10:]), nil
}

// freelist counts the free pages as used, so that a tree that has one is damaged.
func (p *pages) freelist() error {
	b, flags, count, err := p.page(p.meta.free)
	if err != nil {
		return err
	}
	if flags != flagFreelist {
		return damaged("page %d is not the list of free pages", p.meta.free)
	}
	ids, n := b[headerSize:], uint64(count)
	if count == 0xFFFF { // the true count stands before the list
		n, ids = binary.LittleEndian.Uint64(ids), ids[8:]
	}
	if n > uint64(len(ids)/8) {
		return damaged("the list of free pages is cut off")
	}
	for ; n > 0; n, ids = n-1, ids[8:] {
		id := binary.LittleEndian.Uint64(ids)
		if id < 2 || id >= p.meta.top || p.used[id] {
			return damaged("page %d cannot be free", id)
		}
		p.used[id] = true
	}
	return nil
}

// tree walks a tree whose keys lie from lo to below hi (nil: no bound).
func (p *pages) tree(id uint64, lo, hi []byte, depth int, leaf func(flags uint32, key, value []byte) error) error {
	if depth > maxDepth {
		return damaged("page %d lies too deep", id)
	}
	b, flags, count, err := p.page(id)
	switch {
	case err != nil:
		return err
	case flags == flagLeaf:
		return entries(b, count, lo, hi, leaf)
	case flags != flagBranch || count == 0:
		return damaged("page %d has no tree in it", id)
	}
	type child struct {
		id uint64
		lo []byte
	}
	var children []child
	for i := range uint64(count) {
		e := headerSize + i*elementSize
		if e+elementSize > uint64(len(b)) {
			return damaged("page %d is cut off", id)
		}
		pos, size := uint64(binary.LittleEndian.Uint32(b[e:])), uint64(binary.LittleEndian.Uint32(b[e+4:]))
		key, err := slice(b, e+pos, size)
		if err == nil {
			err = ordered(lo, key, hi, i > 0)
		}
		if err != nil {
			return err
		}
		children, lo = append(children, child{id: binary.LittleEndian.Uint64(b[e+8:]), lo: key}), key
	}
	for i, c := range children {
		below := hi
		if i+1 < len(children) {
			below = children[i+1].lo
		}
		if err := p.tree(c.id, c.lo, below, depth+1, leaf); err != nil {
			return err
		}
	}
	return nil
}

// inline reads the leaf page of a small bucket, which stands in its value.
func (p *pages) inline(b []byte) error {
	if len(b) < headerSize || binary.LittleEndian.Uint16(b[8:]) != flagLeaf {
		return damaged("a small bucket has no page")
	}
	return entries(b, binary.LittleEndian.Uint16(b[10:]), nil, nil, record)
}

// entries reads a leaf page.
func entries(b []byte, count uint16, lo, hi []byte, leaf func(flags uint32, key, value []byte) error) error {
	for i := range uint64(count) {
		e := headerSize + i*elementSize
		if e+elementSize > uint64(len(b)) {
			return damaged("a page is cut off")
		}
		word := func(at uint64) uint64 { return uint64(binary.LittleEndian.Uint32(b[e+at:])) }
		at, size, valueSize := e+word(4), word(8), word(12)
		key, err := slice(b, at, size)
		if err != nil {
			return err
		}
		if at+size+valueSize > uint64(len(b)) {
			return damaged("a record is cut off")
		}
		if err := ordered(lo, key, hi, i > 0); err != nil {
			return err
		}
		lo = key
		if err := leaf(uint32(word(0)), key, b[at+size:at+size+valueSize]); err != nil {
			return err
		}
	}
	return nil
}

func slice(b []byte, at, size uint64) ([]byte, error) {
	if size == 0 || at+size > uint64(len(b)) {
		return nil, damaged("a key is cut off")
	}
	return b[at : at+size], nil
}

// ordered checks that a key follows the one before and lies below hi.
func ordered(before, key, hi []byte, strictly bool) error {
	c := bytes.Compare(before, key)
	if before != nil && (c > 0 || strictly && c == 0) || hi != nil && bytes.Compare(key, hi) >= 0 {
		return damaged("its keys are out of order")
	}
	return nil
}
