// Records what Apache Kafka's own transforms do, for ../golden.rs to compare with.
//   cut -f1-4 recorded.tsv | java -cp "$KAFKA_LIBS/*" RecordTransforms.java > new.tsv
// A case is a line: operation, class, settings (a=b;c=d) and the name of a value, divided by tabs. `validate` tells what
// is wrong with the settings, `apply` what becomes of a record of topic t, partition 3 and offset 42, whose key is k.
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.kafka.common.config.*;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.data.*;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.transforms.Transformation;
import org.apache.kafka.connect.transforms.predicates.Predicate;

public class RecordTransforms {
    public static void main(String[] args) throws Exception {
        String cases = new String(System.in.readAllBytes(), StandardCharsets.UTF_8);
        for (String line : cases.split("\n")) {
            if (line.isEmpty()) continue;
            String[] parts = line.split("\t", -1);
            String result;
            try {
                result = run(parts[0], parts[1], settings(parts[2]), parts[3]);
            } catch (Exception e) {
                result = "error " + e.getMessage();
            }
            System.out.println(line + "\t" + result.replace("\n", "\\n"));
        }
    }

    @SuppressWarnings("unchecked")
    static String run(String operation, String name, Map<String, String> settings, String value) throws Exception {
        Object plugin = Class.forName("org.apache.kafka.connect.transforms." + name).getDeclaredConstructor().newInstance();
        boolean predicate = plugin instanceof Predicate;
        ConfigDef definition = predicate ? ((Predicate<?>) plugin).config() : ((Transformation<?>) plugin).config();
        if (operation.equals("validate")) {
            List<String> errors = new ArrayList<>();
            for (ConfigValue v : definition.validate(settings)) errors.addAll(v.errorMessages());
            return String.join(" ", errors);
        }
        if (predicate) {
            ((Predicate<SinkRecord>) plugin).configure(settings);
            return String.valueOf(((Predicate<SinkRecord>) plugin).test(record(value)));
        }
        Transformation<SinkRecord> transform = (Transformation<SinkRecord>) plugin;
        transform.configure(settings);
        SinkRecord made = transform.apply(record(value));
        return made.topic() + " | " + schema(made.keySchema()) + " " + value(made.key())
            + " | " + schema(made.valueSchema()) + " " + value(made.value());
    }

    static SinkRecord record(String name) {
        Schema ab = SchemaBuilder.struct().name("n").version(2).field("a", Schema.INT32_SCHEMA)
            .field("b", SchemaBuilder.string().optional().defaultValue("d").build()).build();
        Schema nothing = SchemaBuilder.struct().optional().build();
        SchemaAndValue data = switch (name) {
            case "struct" -> new SchemaAndValue(ab, new Struct(ab).put("a", 1).put("b", "x"));
            case "struct-null" -> new SchemaAndValue(ab, new Struct(ab).put("a", 1));
            case "null-struct" -> new SchemaAndValue(nothing, null);
            case "map" -> new SchemaAndValue(null, new HashMap<>(Map.of("a", 1L, "b", "x")));
            case "nested" -> new SchemaAndValue(null, new HashMap<>(Map.of("c", new HashMap<>(Map.of("d", 1L)))));
            case "empty" -> new SchemaAndValue(null, new HashMap<>());
            case "text" -> new SchemaAndValue(Schema.STRING_SCHEMA, "x");
            case "plain-text" -> new SchemaAndValue(null, "x");
            default -> SchemaAndValue.NULL;
        };
        return new SinkRecord("t", 3, Schema.STRING_SCHEMA, "k", data.schema(), data.value(), 42, 1700L, TimestampType.CREATE_TIME);
    }

    static Map<String, String> settings(String text) {
        Map<String, String> settings = new HashMap<>();
        for (String pair : text.split(";")) if (!pair.isEmpty()) settings.put(pair.split("=", 2)[0], pair.split("=", 2)[1]);
        return settings;
    }

    static String schema(Schema s) {
        if (s == null) return "-";
        StringBuilder out = new StringBuilder(s.type().getName());
        if (s.type() == Schema.Type.STRUCT) {
            out.append("<");
            for (Field f : s.fields()) out.append(f.name() + ":" + schema(f.schema()) + ";");
            out.append(">");
        }
        if (s.isOptional()) out.append("?");
        if (s.name() != null) out.append("(" + s.name() + ")");
        if (s.version() != null) out.append("#" + s.version());
        if (s.defaultValue() != null) out.append("=" + value(s.defaultValue()));
        return out.toString();
    }

    static String value(Object v) {
        if (v == null) return "null";
        if (v instanceof Integer) return "i32 " + v;
        if (v instanceof Long) return "i64 " + v;
        if (v instanceof String) return "\"" + v + "\"";
        if (v instanceof java.util.Date) return "t " + ((java.util.Date) v).getTime();
        if (v instanceof Map) {
            TreeSet<String> entries = new TreeSet<>();
            ((Map<?, ?>) v).forEach((k, e) -> entries.add(value(k) + ": " + value(e)));
            return "{" + String.join(", ", entries) + "}";
        }
        StringBuilder out = new StringBuilder("<");
        for (Field f : ((Struct) v).schema().fields()) out.append(f.name() + "=" + value(((Struct) v).getWithoutDefault(f.name())) + ";");
        return out + ">";
    }
}
