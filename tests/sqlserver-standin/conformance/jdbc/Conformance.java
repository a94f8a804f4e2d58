import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.format.DateTimeFormatter;
import java.util.HexFormat;

/**
 * Reads and writes every case through mssql-jdbc: HOST PORT CASES. Prints a line for each case and direction: number,
 * "read" or "write", the text; a failure begins with "!".
 */
class Conformance {
    interface Act {
        String run() throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        String url = "jdbc:sqlserver://" + arguments[0] + ":" + arguments[1]
            + ";user=sa;password=Secret1!;encrypt=true;trustServerCertificate=true;sendTimeAsDatetime=false";
        int number = 0;
        try (Connection connection = DriverManager.getConnection(url); Statement statement = connection.createStatement()) {
            statement.execute("CREATE DATABASE conformance_jdbc");
            statement.execute("USE conformance_jdbc");
            for (String line : Files.readAllLines(Path.of(arguments[2]))) {
                if (!line.isEmpty() && !line.startsWith("#")) {
                    String[] parts = line.split("\t", -1);
                    each(connection, statement, ++number, parts[0], parts[1], parts[2]);
                }
            }
        }
    }

    static void each(Connection connection, Statement statement, int number, String kind, String nullability, String literal) {
        Object[] value = new Object[1];
        print(number, "read", () -> {
            statement.execute("CREATE TABLE r" + number + " (v " + kind + " " + nullability + ")");
            statement.execute("INSERT INTO r" + number + " (v) VALUES (" + literal + ")");
            value[0] = value(statement, kind, "SELECT v FROM r" + number);
            return text(kind, value[0]);
        });
        print(number, "write", () -> {
            statement.execute("CREATE TABLE w" + number + " (v " + kind + " " + nullability + ")");
            String sql = "INSERT INTO w" + number + " (v) VALUES (?)";
            try (PreparedStatement prepared = connection.prepareStatement(sql)) {
                bind(prepared, kind, value[0]);
                prepared.execute();
            }
            return text(kind, value(statement, kind, "SELECT v FROM w" + number));
        });
    }

    static void print(int number, String direction, Act act) {
        String text;
        try {
            text = act.run();
        } catch (Exception error) {
            text = "!" + error.getClass().getSimpleName() + ": " + String.valueOf(error.getMessage()).replaceAll("\\s+", " ");
        }
        System.out.println(number + "\t" + direction + "\t" + text);
    }

    static Object value(Statement statement, String kind, String sql) throws SQLException {
        try (ResultSet rows = statement.executeQuery(sql)) {
            rows.next();
            return switch (base(kind)) {
                case "datetime", "smalldatetime", "datetime2" -> rows.getObject(1, LocalDateTime.class);
                case "time" -> rows.getObject(1, LocalTime.class);
                case "datetimeoffset" -> rows.getObject(1, OffsetDateTime.class);
                case "xml", "ntext", "text" -> rows.getString(1);
                default -> rows.getObject(1);
            };
        }
    }

    static void bind(PreparedStatement prepared, String kind, Object value) throws SQLException {
        if (value != null) {
            prepared.setObject(1, value);
            return;
        }
        switch (base(kind)) {
            case "binary", "varbinary", "image" -> prepared.setNull(1, java.sql.Types.VARBINARY);
            case "sql_variant" -> prepared.setObject(1, null);
            default -> prepared.setNull(1, java.sql.Types.NVARCHAR);
        }
    }

    static String base(String kind) {
        return kind.split("[ (]")[0];
    }

    static String text(String kind, Object value) {
        if (value == null) {
            return "NULL";
        }
        int scale = kind.contains("(") && kind.matches(".*\\(\\d+\\).*")
            ? Integer.parseInt(kind.replaceAll(".*\\((\\d+)\\).*", "$1")) : 0;
        if (value instanceof Float number) {
            return HexFormat.of().toHexDigits(Float.floatToIntBits(number));
        }
        if (value instanceof Double number) {
            return HexFormat.of().toHexDigits(Double.doubleToLongBits(number));
        }
        if (value instanceof Boolean bit) {
            return bit ? "1" : "0";
        }
        if (value instanceof java.math.BigDecimal number) {
            return number.toPlainString();
        }
        if (value instanceof byte[] bytes) {
            return shortened(HexFormat.of().formatHex(bytes));
        }
        if (value instanceof LocalDateTime at) {
            int digits = switch (base(kind)) {
                case "datetime" -> 3;
                case "smalldatetime" -> 0;
                default -> scale;
            };
            return at.format(format("uuuu-MM-dd ", digits));
        }
        if (value instanceof LocalTime at) {
            return at.format(format("", scale));
        }
        if (value instanceof OffsetDateTime at) {
            return at.format(format("uuuu-MM-dd ", scale)) + " " + at.format(DateTimeFormatter.ofPattern("xxx"));
        }
        return shortened(value.toString());
    }

    static DateTimeFormatter format(String date, int digits) {
        return DateTimeFormatter.ofPattern(date + "HH:mm:ss" + (digits == 0 ? "" : "." + "S".repeat(digits)));
    }

    static String shortened(String text) {
        for (int size = 1; size <= 3 && size <= text.length(); size++) {
            int times = text.length() / size;
            String part = text.substring(0, size);
            if (times > 100 && times * size == text.length() && part.repeat(times).equals(text)) {
                return part + "*" + times;
            }
        }
        return text;
    }
}
