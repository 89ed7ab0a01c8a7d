package corpus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/murmurnet/murmur/trainer/lfs"
)

const (
	maxFooter     = 64 << 20 // bytes of what describes a parquet file: a thousand times the usual
	valuesAtOnce  = 64
	shownColumns  = 20 // names that a refusal lists
	parquetMagic  = "PAR1"
	parquetEnding = 8 // the footer's size and the magic
)

// checkColumn refuses a parquet file that has no such text column.
func checkColumn(f file, column string) (err error) {
	in, err := os.Open(f.path)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	_, _, err = openRows(&f, in, column)
	return err
}

// openRows opens a parquet file and finds a column.
func openRows(f *file, in *os.File, name string) (pf *parquet.File, index int, err error) {
	defer recovered(f, &err)
	if err := lfs.Check(in); err != nil {
		return nil, 0, fmt.Errorf("%s %w", f.name, err)
	}
	var end [parquetEnding]byte
	if f.size < int64(len(parquetMagic)+len(end)) {
		return nil, 0, fmt.Errorf("%s is no parquet file: it has %d bytes", f.name, f.size)
	}
	if _, err := in.ReadAt(end[:], f.size-int64(len(end))); err != nil {
		return nil, 0, fmt.Errorf("%s%w", f.name, unreadable(err))
	}
	if string(end[4:]) != parquetMagic {
		return nil, 0, fmt.Errorf("%s is no whole parquet file: it does not end as one does", f.name)
	}
	if n := int64(binary.LittleEndian.Uint32(end[:])); n > min(maxFooter, f.size-parquetEnding) {
		return nil, 0, fmt.Errorf("%s is damaged: %d of its %d bytes would describe the others", f.name, n, f.size)
	}
	pf, err = parquet.OpenFile(in, f.size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, 0, fmt.Errorf("%s is damaged: %w", f.name, err)
	}
	column := pf.Root().Column(name)
	switch {
	case pf.NumRows() == 0:
		return pf, -1, nil // whatever its columns are
	case column == nil:
		return nil, 0, fmt.Errorf("%s has no column %q, but %s: choose one with --column", f.name, name, columnNames(pf.Root()))
	case !column.Leaf() || column.Repeated() || column.Type().Kind() != parquet.ByteArray:
		return nil, 0, fmt.Errorf("column %q of %s holds no text: choose another with --column", name, f.name)
	}
	return pf, column.Index(), nil
}

func columnNames(root *parquet.Column) string {
	var names []string
	for i, c := range root.Columns() {
		if i == shownColumns {
			names = append(names, "…")
			break
		}
		names = append(names, c.Name())
	}
	return strings.Join(names, ", ")
}

// recovered turns a panic over a damaged file into a refusal of it: the library takes much in a file at its word.
func recovered(f *file, err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%s is damaged: %v", f.name, p)
	}
}

// rows reads the column of a parquet file, and nothing else of it.
func (r *reader) rows(ctx context.Context, f *file, in *os.File) (err error) {
	defer recovered(f, &err)
	pf, index, err := openRows(f, in, r.column)
	if err != nil {
		return err
	}
	if index < 0 {
		return nil
	}
	g := gather{reader: r, file: f, rows: pf.NumRows()}
	for i, group := range pf.RowGroups() {
		if err := g.chunk(ctx, group.ColumnChunks()[index]); err != nil {
			if ctx.Err() != nil {
				return err
			}
			// parquet-go 0.32.0 does not read all that pyarrow 26 writes so: findings/parquet-go-lz4-pages.sh.
			if pf.Metadata().RowGroups[i].Columns[index].MetaData.Codec.String() == "LZ4_RAW" {
				return fmt.Errorf("%s is packed with LZ4, of which some files cannot be read here; write it again with another codec, such as zstd: %w", f.name, err)
			}
			return fmt.Errorf("%s is damaged: %w", f.name, err)
		}
	}
	return g.flush(ctx)
}

// gather puts values into blocks.
type gather struct {
	*reader
	file       *file
	b          *block
	rows, seen int64
	told       int64 // bytes of the file that blocks were given
}

func (g *gather) chunk(ctx context.Context, chunk parquet.ColumnChunk) (err error) {
	pages := chunk.Pages()
	defer func() { err = errors.Join(err, pages.Close()) }()
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = g.page(ctx, page)
		parquet.Release(page)
		if err != nil {
			return err
		}
	}
}

func (g *gather) page(ctx context.Context, page parquet.Page) error {
	var values [valuesAtOnce]parquet.Value
	in := page.Values()
	for {
		n, err := in.ReadValues(values[:])
		for _, v := range values[:n] {
			if g.b == nil {
				b, err := g.take(ctx)
				if err != nil {
					return err
				}
				g.b, b.file = b, g.file
			}
			if !v.IsNull() {
				g.b.raw = append(g.b.raw, v.ByteArray()...)
			}
			g.b.ends = append(g.b.ends, len(g.b.raw))
			g.seen++
			if len(g.b.raw) >= blockSize {
				if err := g.flush(ctx); err != nil {
					return err
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// flush passes the block on. How far in the file it reaches is told by the row: most of the file may be other columns.
func (g *gather) flush(ctx context.Context) error {
	if g.b == nil {
		return ctx.Err()
	}
	if g.rows > 0 {
		at := int64(float64(g.file.size) * min(1, float64(g.seen)/float64(g.rows)))
		g.b.consumed, g.told = at-g.told, at
	}
	g.emit(g.b)
	g.b = nil
	return nil
}
