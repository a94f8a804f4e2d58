import java.util.Collection;
import java.util.TreeMap;

import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.types.Password;

import com.mongodb.kafka.connect.sink.MongoSinkConfig;

/** Writes the definitions of the reference connector's properties as JSON: one line for each. */
public final class Properties {
  private Properties() {}

  public static void main(final String[] arguments) {
    StringBuilder json = new StringBuilder("[\n");
    for (ConfigDef.ConfigKey key : new TreeMap<>(MongoSinkConfig.CONFIG.configKeys()).values()) {
      json.append(json.length() > 2 ? ",\n" : "").append("{");
      field(json, "name", key.name);
      field(json, "type", key.type.name());
      field(json, "default", text(key));
      field(json, "importance", key.importance.name());
      field(json, "group", key.group);
      json.append("\"order\": ").append(key.orderInGroup).append(", ");
      field(json, "width", key.width.name());
      field(json, "display_name", key.displayName);
      json.append("\"internal\": ").append(key.internalConfig).append("}");
    }
    System.out.println(json.append("\n]"));
  }

  private static String text(final ConfigDef.ConfigKey key) {
    if (!key.hasDefault()) {
      return "<required>";
    }
    if (key.defaultValue instanceof Password) {
      return ((Password) key.defaultValue).value();
    }
    if (key.defaultValue instanceof Collection) {
      return String.join(",", ((Collection<?>) key.defaultValue).toArray(new String[0]));
    }
    return String.valueOf(key.defaultValue);
  }

  private static void field(final StringBuilder json, final String name, final String value) {
    json.append('"').append(name).append("\": ");
    if (value == null) {
      json.append("null, ");
    } else {
      json.append('"').append(value.replace("\\", "\\\\").replace("\"", "\\\"")).append("\", ");
    }
  }
}
