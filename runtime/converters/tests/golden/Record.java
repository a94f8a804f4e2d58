// Records what Apache Kafka's own converters do, for ../golden.rs to compare with.
//   cut -f1-3 recorded.tsv | java -Duser.timezone=UTC -cp "$KAFKA_LIBS/*" Record.java > new.tsv
// A case is a line: operation, settings (a=b;c=d) and input, divided by tabs; \t \n \r \0 \\ \xHH are escapes.
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.kafka.connect.converters.*;
import org.apache.kafka.connect.data.*;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.storage.*;

public class Record {
    public static void main(String[] args) throws Exception {
        String cases = new String(System.in.readAllBytes(), StandardCharsets.UTF_8);
        for (String line : cases.split("\n")) {
            if (line.isEmpty() || line.startsWith("#")) continue;
            String[] parts = line.split("\t", -1);
            String result;
            try {
                result = run(parts[0], settings(parts[1]), unescape(parts[2]));
            } catch (Exception e) {
                result = "error " + e.getMessage();
            }
            System.out.println(line + "\t" + escape(result.getBytes(StandardCharsets.UTF_8)));
        }
    }

    static String run(String operation, Map<String, String> settings, byte[] input) {
        switch (operation) {
            case "json.read": return describe(json(settings).toConnectData("t", input));
            case "json.write": {                    // settings of the writer; the reader takes envelopes
                SchemaAndValue data = json(Map.of()).toConnectData("t", input);
                return text(json(settings).fromConnectData("t", data.schema(), data.value()));
            }
            case "json.plain": {                    // schemaless in, schemaless out
                SchemaAndValue data = json(Map.of("schemas.enable", "false")).toConnectData("t", input);
                return text(json(settings).fromConnectData("t", data.schema(), data.value()));
            }
            case "header.read": return describe(new SimpleHeaderConverter().toConnectHeader("t", "h", input));
            case "header.write": {
                SchemaAndValue data = json(Map.of()).toConnectData("t", input);
                return text(new SimpleHeaderConverter().fromConnectHeader("t", "h", data.schema(), data.value()));
            }
            case "string.write": {
                SchemaAndValue data = json(Map.of()).toConnectData("t", input);
                return text(configured(new StringConverter(), settings).fromConnectData("t", data.schema(), data.value()));
            }
            case "read": return describe(configured(converter(settings), settings).toConnectData("t", input));
            case "write": {
                SchemaAndValue data = json(Map.of()).toConnectData("t", input);
                byte[] bytes = configured(converter(settings), settings).fromConnectData("t", data.schema(), data.value());
                return bytes == null ? "NULL" : HexFormat.of().formatHex(bytes);
            }
            default: throw new IllegalArgumentException(operation);
        }
    }

    static Converter converter(Map<String, String> settings) {
        switch (settings.get("of")) {
            case "String": return new StringConverter();
            case "ByteArray": return new ByteArrayConverter();
            case "Double": return new DoubleConverter();
            case "Float": return new FloatConverter();
            case "Integer": return new IntegerConverter();
            case "Long": return new LongConverter();
            case "Short": return new ShortConverter();
            case "Boolean": return new BooleanConverter();
            default: throw new IllegalArgumentException();
        }
    }

    static JsonConverter json(Map<String, String> settings) {
        JsonConverter converter = new JsonConverter();
        converter.configure(settings, false);
        return converter;
    }

    static Converter configured(Converter converter, Map<String, String> settings) {
        converter.configure(settings, false);
        return converter;
    }

    static Map<String, String> settings(String text) {
        Map<String, String> settings = new HashMap<>();
        for (String pair : text.split(";")) if (!pair.isEmpty()) settings.put(pair.split("=")[0], pair.split("=")[1]);
        return settings;
    }

    static String text(byte[] bytes) { return bytes == null ? "NULL" : new String(bytes, StandardCharsets.UTF_8); }

    static String describe(SchemaAndValue data) { return data == null ? "- null" : schema(data.schema()) + " " + value(data.value()); }

    static String schema(Schema s) {
        if (s == null) return "-";
        StringBuilder out = new StringBuilder(s.type().getName());
        switch (s.type()) {
            case ARRAY: out.append("<" + schema(s.valueSchema()) + ">"); break;
            case MAP: out.append("<" + schema(s.keySchema()) + "," + schema(s.valueSchema()) + ">"); break;
            case STRUCT:
                out.append("<");
                for (Field f : s.fields()) out.append(f.name() + ":" + schema(f.schema()) + ";");
                out.append(">"); break;
            default: break;
        }
        if (s.isOptional()) out.append("?");
        if (s.name() != null) out.append("(" + s.name() + ")");
        if (s.version() != null) out.append("#" + s.version());
        if (s.doc() != null) out.append("'" + s.doc() + "'");
        if (s.parameters() != null) out.append("{" + String.join(",", s.parameters().entrySet().stream().map(e -> e.getKey() + "=" + e.getValue()).toList()) + "}");
        if (s.defaultValue() != null) out.append("=" + value(s.defaultValue()));
        return out.toString();
    }

    static String value(Object v) {
        if (v == null) return "null";
        if (v instanceof Byte) return "i8 " + v;
        if (v instanceof Short) return "i16 " + v;
        if (v instanceof Integer) return "i32 " + v;
        if (v instanceof Long) return "i64 " + v;
        if (v instanceof Float) return "f32 " + v;
        if (v instanceof Double) return "f64 " + v;
        if (v instanceof Boolean) return v.toString();
        if (v instanceof String) return "\"" + v + "\"";
        if (v instanceof byte[]) return "x" + HexFormat.of().formatHex((byte[]) v);
        if (v instanceof java.nio.ByteBuffer) return "x" + HexFormat.of().formatHex(((java.nio.ByteBuffer) v).array());
        if (v instanceof BigDecimal) return "d " + ((BigDecimal) v).unscaledValue() + "e" + ((BigDecimal) v).scale();
        if (v instanceof java.util.Date) return "t " + ((java.util.Date) v).getTime();
        if (v instanceof List) return "[" + String.join(", ", ((List<?>) v).stream().map(Record::value).toList()) + "]";
        if (v instanceof Map) {
            TreeSet<String> entries = new TreeSet<>();
            ((Map<?, ?>) v).forEach((k, e) -> entries.add(value(k) + ": " + value(e)));
            return "{" + String.join(", ", entries) + "}";
        }
        if (v instanceof Struct) {
            StringBuilder out = new StringBuilder("<");
            for (Field f : ((Struct) v).schema().fields()) out.append(f.name() + "=" + value(((Struct) v).getWithoutDefault(f.name())) + ";");
            return out + ">";
        }
        return v.getClass().getName();
    }

    static byte[] unescape(String text) {
        if (text.equals("NULL")) return null;
        java.io.ByteArrayOutputStream out = new java.io.ByteArrayOutputStream();
        for (int i = 0; i < text.length(); ) {
            int c = text.codePointAt(i);
            if (c != '\\') {
                out.writeBytes(Character.toString(c).getBytes(StandardCharsets.UTF_8));
                i += Character.charCount(c);
                continue;
            }
            char e = text.charAt(i + 1);
            i += 2;
            switch (e) {
                case 't': out.write('\t'); break;
                case 'n': out.write('\n'); break;
                case 'r': out.write('\r'); break;
                case '0': out.write(0); break;
                case 'x': out.write(Integer.parseInt(text.substring(i, i + 2), 16)); i += 2; break;
                default: out.write(e);
            }
        }
        return out.toByteArray();
    }

    static String escape(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8)
            .replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r").replace("\0", "\\0");
    }
}
