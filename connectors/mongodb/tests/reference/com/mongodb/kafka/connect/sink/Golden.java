package com.mongodb.kafka.connect.sink;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.HashMap;
import java.util.Map;

import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.sink.SinkRecord;

import org.bson.BsonBinaryWriter;
import org.bson.BsonBoolean;
import org.bson.BsonDocument;
import org.bson.BsonNull;
import org.bson.BsonString;
import org.bson.RawBsonDocument;
import org.bson.codecs.BsonDocumentCodec;
import org.bson.codecs.EncoderContext;
import org.bson.conversions.Bson;
import org.bson.io.BasicOutputBuffer;
import org.bson.json.JsonMode;
import org.bson.json.JsonWriterSettings;

import com.mongodb.client.model.DeleteOneModel;
import com.mongodb.client.model.InsertOneModel;
import com.mongodb.client.model.ReplaceOneModel;
import com.mongodb.client.model.UpdateOneModel;
import com.mongodb.client.model.WriteModel;

/** Takes the records of the cases through the reference connector's own classes and writes what becomes of them. */
public final class Golden {
  private static final BsonDocumentCodec CODEC = new BsonDocumentCodec();

  private Golden() {}

  public static void main(final String[] arguments) throws Exception {
    String text = new String(Files.readAllBytes(Paths.get(arguments[0])), StandardCharsets.UTF_8);
    BsonDocument cases = BsonDocument.parse(text);
    JsonWriterSettings compact = JsonWriterSettings.builder().outputMode(JsonMode.EXTENDED).build();
    StringBuilder lines = new StringBuilder("[\n");
    for (Object each : cases.getArray("cases")) {
      BsonDocument one = (BsonDocument) each;
      for (Object name : one.getArray("records")) {
        BsonString record = (BsonString) name;
        BsonDocument outcome = outcome(one, cases.getDocument("records").getDocument(record.getValue()));
        BsonDocument line = new BsonDocument("case", one.get("name")).append("record", record);
        line.putAll(outcome);
        lines.append(lines.length() > 2 ? ",\n" : "").append(line.toJson(compact));
      }
    }
    System.out.println(lines.append("\n]"));
  }

  private static BsonDocument outcome(final BsonDocument one, final BsonDocument record) {
    Map<String, String> properties = new HashMap<>();
    properties.put("topics", "orders");
    properties.put("database", "db");
    one.getDocument("props").forEach((key, value) -> properties.put(key, value.asString().getValue()));
    MongoSinkConfig config = new MongoSinkConfig(properties);
    try {
      MongoProcessedSinkRecordData made = new MongoProcessedSinkRecordData(sinkRecord(record), config);
      if (made.getNamespace() == null || made.getWriteModel() == null) {
        return new BsonDocument("nothing", BsonBoolean.TRUE);
      }
      BsonDocument model = model(made.getWriteModel());
      return new BsonDocument("namespace", new BsonString(made.getNamespace().getFullName())).append("model", model);
    } catch (Exception e) {
      return new BsonDocument("error", new BsonString(e.getClass().getSimpleName()));
    }
  }

  private static BsonDocument model(final WriteModel<BsonDocument> model) {
    if (model instanceof InsertOneModel) {
      return new BsonDocument("insertOne", stored(identified(((InsertOneModel<BsonDocument>) model).getDocument())));
    }
    if (model instanceof ReplaceOneModel) {
      ReplaceOneModel<BsonDocument> replace = (ReplaceOneModel<BsonDocument>) model;
      return new BsonDocument("replaceOne", written(replace.getFilter()))
          .append("replacement", stored(replace.getReplacement()))
          .append("upsert", BsonBoolean.valueOf(replace.getReplaceOptions().isUpsert()));
    }
    if (model instanceof UpdateOneModel) {
      UpdateOneModel<BsonDocument> update = (UpdateOneModel<BsonDocument>) model;
      return new BsonDocument("updateOne", written(update.getFilter()))
          .append("update", written(update.getUpdate()))
          .append("upsert", BsonBoolean.valueOf(update.getOptions().isUpsert()));
    }
    return new BsonDocument("deleteOne", written(((DeleteOneModel<BsonDocument>) model).getFilter()));
  }

  /** As the driver inserts a document: with an _id made if it has none. */
  private static BsonDocument identified(final BsonDocument document) {
    return CODEC.generateIdIfAbsentFromDocument(document);
  }

  /** As the driver sends a document that is stored: its _id first. */
  private static BsonDocument stored(final BsonDocument document) {
    return bytes(document, true);
  }

  private static BsonDocument written(final Bson document) {
    return bytes((BsonDocument) document, false);
  }

  /** Through the codec, so that a document which cannot be sent is an error here too. */
  private static BsonDocument bytes(final BsonDocument document, final boolean collectible) {
    BasicOutputBuffer buffer = new BasicOutputBuffer();
    EncoderContext context = EncoderContext.builder().isEncodingCollectibleDocument(collectible).build();
    CODEC.encode(new BsonBinaryWriter(buffer), document, context);
    return new RawBsonDocument(buffer.toByteArray()).decode(CODEC);
  }

  private static SinkRecord sinkRecord(final BsonDocument record) {
    String topic = record.getString("topic").getValue();
    SchemaAndValue key = part(topic, record, "key", true);
    SchemaAndValue value = part(topic, record, "value", false);
    boolean timed = record.isInt64("timestamp") || record.isInt32("timestamp");
    return new SinkRecord(
        topic,
        record.getNumber("partition").intValue(),
        key.schema(),
        key.value(),
        value.schema(),
        value.value(),
        record.getNumber("offset").longValue(),
        timed ? record.getNumber("timestamp").longValue() : null,
        timed ? TimestampType.CREATE_TIME : TimestampType.NO_TIMESTAMP_TYPE);
  }

  private static SchemaAndValue part(
      final String topic, final BsonDocument record, final String name, final boolean isKey) {
    if (record.get(name) instanceof BsonNull) {
      return SchemaAndValue.NULL;
    }
    BsonDocument part = record.getDocument(name);
    String text = part.getString("text").getValue();
    switch (part.getString("format").getValue()) {
      case "string":
        return new SchemaAndValue(Schema.STRING_SCHEMA, text);
      case "bson":
        ByteBuffer bytes = ByteBuffer.allocate(text.length() / 2);
        for (int at = 0; at < text.length(); at += 2) {
          bytes.put((byte) Integer.parseInt(text.substring(at, at + 2), 16));
        }
        return new SchemaAndValue(Schema.BYTES_SCHEMA, bytes.array());
      default:
        Map<String, Object> properties = new HashMap<>();
        properties.put("schemas.enable", part.getString("format").getValue().equals("schema"));
        JsonConverter converter = new JsonConverter();
        converter.configure(properties, isKey);
        return converter.toConnectData(topic, text.getBytes(StandardCharsets.UTF_8));
    }
  }
}
