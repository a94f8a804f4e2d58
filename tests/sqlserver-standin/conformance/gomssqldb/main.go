// Reads and writes every case through go-mssqldb: HOST PORT CASES. Prints a line for each case and direction: number,
// "read" or "write", the text; a failure begins with "!".
package main

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
)

var ctx = context.Background()

func main() {
	url := fmt.Sprintf("sqlserver://sa:Secret1!@%s:%s?encrypt=true&trustServerCertificate=true", os.Args[1], os.Args[2])
	pool, err := sql.Open("sqlserver", url)
	if err != nil {
		fail(err)
	}
	// One connection: its database is set by USE.
	connection, err := pool.Conn(ctx)
	if err != nil {
		fail(err)
	}
	for _, statement := range []string{"CREATE DATABASE conformance_go", "USE conformance_go"} {
		if _, err := connection.ExecContext(ctx, statement); err != nil {
			fail(err)
		}
	}
	cases, err := os.ReadFile(os.Args[3])
	if err != nil {
		fail(err)
	}
	number := 0
	for _, line := range strings.Split(string(cases), "\n") {
		if line != "" && !strings.HasPrefix(line, "#") {
			number++
			parts := strings.Split(line, "\t")
			each(connection, number, parts[0], parts[1], parts[2])
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func each(connection *sql.Conn, number int, kind, nullability, literal string) {
	value, err := read(connection, "r", number, kind, nullability, literal)
	show(number, "read", kind, value, err)
	if err == nil {
		value, err = read(connection, "w", number, kind, nullability, "@p1", bound(kind, value))
	}
	show(number, "write", kind, value, err)
}

func read(connection *sql.Conn, prefix string, number int, kind, nullability, literal string, arguments ...any) (value any, err error) {
	table := prefix + strconv.Itoa(number)
	if _, err = connection.ExecContext(ctx, fmt.Sprintf("CREATE TABLE %s (v %s %s)", table, kind, nullability)); err != nil {
		return
	}
	if _, err = connection.ExecContext(ctx, fmt.Sprintf("INSERT INTO %s (v) VALUES (%s)", table, literal), arguments...); err != nil {
		return
	}
	err = connection.QueryRowContext(ctx, "SELECT v FROM "+table).Scan(&value)
	return
}

func base(kind string) string {
	return regexp.MustCompile(`[ (]`).Split(kind, 2)[0]
}

// What the client needs to be told of a value's type.
func bound(kind string, value any) any {
	switch v := value.(type) {
	case time.Time:
		switch base(kind) {
		case "datetime", "smalldatetime":
			return mssql.DateTime1(v)
		}
	case []byte:
		switch base(kind) {
		case "decimal", "numeric", "money", "smallmoney":
			return string(v)
		case "uniqueidentifier":
			var id mssql.UniqueIdentifier
			if id.Scan(v) == nil {
				return id
			}
		}
	case nil:
		switch base(kind) {
		case "binary", "varbinary", "image":
			return []byte(nil)
		}
	}
	return value
}

func show(number int, direction, kind string, value any, err error) {
	shown := ""
	if err != nil {
		shown = "!" + strings.Join(strings.Fields(err.Error()), " ")
	} else {
		shown = text(kind, value)
	}
	fmt.Printf("%d\t%s\t%s\n", number, direction, shown)
}

func text(kind string, value any) string {
	scale := 7
	if inside := regexp.MustCompile(`\((\d+)\)`).FindStringSubmatch(kind); inside != nil {
		scale, _ = strconv.Atoi(inside[1])
	}
	seconds := "15:04:05"
	if scale > 0 {
		seconds += "." + strings.Repeat("0", scale)
	}
	switch v := value.(type) {
	case nil:
		return "NULL"
	case bool:
		if v {
			return "1"
		}
		return "0"
	case float64:
		if base(kind) == "real" {
			return fmt.Sprintf("%08x", math.Float32bits(float32(v)))
		}
		return fmt.Sprintf("%016x", math.Float64bits(v))
	case []byte:
		switch base(kind) {
		case "decimal", "numeric", "money", "smallmoney":
			return string(v)
		case "uniqueidentifier":
			var id mssql.UniqueIdentifier
			if err := id.Scan(v); err != nil {
				return "!" + err.Error()
			}
			return id.String()
		case "sql_variant":
			if strings.ContainsAny(string(v), ".") {
				return string(v)
			}
		}
		return shortened(hex.EncodeToString(v))
	case time.Time:
		switch base(kind) {
		case "date", "sql_variant":
			return v.Format("2006-01-02")
		case "time":
			return v.Format(seconds)
		case "smalldatetime":
			return v.Format("2006-01-02 15:04:05")
		case "datetime":
			return v.Round(time.Millisecond).Format("2006-01-02 15:04:05.000")
		case "datetimeoffset":
			return v.Format("2006-01-02 " + seconds + " -07:00")
		}
		return v.Format("2006-01-02 " + seconds)
	}
	return shortened(fmt.Sprint(value))
}

func shortened(text string) string {
	runes := []rune(text)
	for size := 1; size <= 3 && size <= len(runes); size++ {
		part, times := string(runes[:size]), len(runes)/size
		if times > 100 && times*size == len(runes) && strings.Repeat(part, times) == text {
			return fmt.Sprintf("%s*%d", part, times)
		}
	}
	return text
}
