import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Prints all records of all topics that are not the broker's own, also of topics that come later: a line each of topic,
 * partition, offset, key and value, with tabs between. A line of its input is a mark: it is printed by itself once all
 * that was in the topics then is printed. Ends with its input. Argument: the broker's address.
 */
public class Tail {
    private static final Duration WAIT_LIMIT = Duration.ofMillis(50);
    private static final long TOPICS_EVERY_NANOS = 300_000_000;

    public static void main(String[] arguments) {
        var marks = new ConcurrentLinkedQueue<String>();
        new Thread(() -> readMarks(marks)).start();
        var settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        settings.put("key.deserializer", StringDeserializer.class.getName());
        settings.put("value.deserializer", StringDeserializer.class.getName());
        try (var consumer = new KafkaConsumer<String, String>(settings)) {
            long looked = 0;
            while (true) {
                String mark = marks.poll();
                if (mark != null || System.nanoTime() - looked > TOPICS_EVERY_NANOS) {
                    assignAll(consumer);
                    looked = System.nanoTime();
                }
                if (mark == null) {
                    print(consumer.poll(WAIT_LIMIT));
                    continue;
                }
                var ends = consumer.endOffsets(consumer.assignment());
                while (!reached(consumer, ends)) {
                    print(consumer.poll(WAIT_LIMIT));
                }
                System.out.println(mark);
                System.out.flush();
            }
        }
    }

    private static void readMarks(ConcurrentLinkedQueue<String> marks) {
        try (var input = new BufferedReader(new InputStreamReader(System.in))) {
            for (String line = input.readLine(); line != null; line = input.readLine()) {
                marks.add(line);
            }
        } catch (java.io.IOException gone) {
            // As at its end.
        }
        Runtime.getRuntime().halt(0);
    }

    /** Partitions that were assigned before go on where they are. */
    private static void assignAll(KafkaConsumer<String, String> consumer) {
        List<TopicPartition> partitions = new ArrayList<>();
        consumer.listTopics().forEach((topic, infos) -> {
            if (!topic.startsWith("__consumer") && !topic.startsWith("__transaction")) {
                infos.forEach(info -> partitions.add(new TopicPartition(topic, info.partition())));
            }
        });
        consumer.assign(partitions);
    }

    private static boolean reached(KafkaConsumer<String, String> consumer, Map<TopicPartition, Long> ends) {
        return ends.entrySet().stream().allMatch(end -> consumer.position(end.getKey()) >= end.getValue());
    }

    private static void print(ConsumerRecords<String, String> records) {
        records.forEach(record -> System.out.println(String.join("\t", record.topic(), "" + record.partition(),
                "" + record.offset(), text(record.key()), text(record.value()))));
        System.out.flush();
    }

    /** Keys and values are JSON: its tabs and line ends are mere space. Nothing stands for none. */
    private static String text(String json) {
        return json == null ? "" : json.replaceAll("[\\t\\r\\n]", " ");
    }
}
