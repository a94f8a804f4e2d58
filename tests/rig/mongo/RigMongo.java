import de.bwaldvogel.mongo.MongoBackend;
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.ServerVersion;
import de.bwaldvogel.mongo.backend.AbstractMongoBackend;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import de.bwaldvogel.mongo.bson.Document;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.concurrent.locks.ReentrantLock;
import org.h2.mvstore.MVStore;

/** {@code RigMongo PORT FOLDER memory|file}: a server on loopback, with what today's drivers ask for on top. */
public final class RigMongo {
    /** The lowest that no driver in use refuses: the server itself says 8, and lacks nothing of 13 that a sink uses. */
    private static final int WIRE_VERSION = 13;

    public static void main(String[] arguments) throws Exception {
        int port = Integer.parseInt(arguments[0]);
        AbstractMongoBackend store = arguments[2].equals("file") ? file(arguments[1] + "/data.mv") : new MemoryBackend();
        store.version(ServerVersion.MONGO_5_0);
        MongoServer server = new MongoServer(wrap(store));
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        server.bind("127.0.0.1", port);
        Thread.currentThread().join();
    }

    /** It commits nothing by itself: a command that is half done must not be in the file. */
    private static AbstractMongoBackend file(String name) {
        return new H2Backend(new MVStore.Builder().fileName(name).autoCommitDisabled().open());
    }

    private static MongoBackend wrap(AbstractMongoBackend store) {
        ReentrantLock oneAtATime = new ReentrantLock();
        return (MongoBackend) Proxy.newProxyInstance(RigMongo.class.getClassLoader(), new Class<?>[] {MongoBackend.class},
            (proxy, method, arguments) -> {
                Object answer;
                // A commit takes in what another connection's command has done so far.
                if (store instanceof H2Backend) oneAtATime.lock();
                try {
                    answer = method.invoke(store, arguments);
                    // What is answered is in the file, also when the process is killed the moment after.
                    if (store instanceof H2Backend file && answer instanceof Document) file.commit();
                } catch (InvocationTargetException failure) {
                    throw failure.getCause();
                } finally {
                    if (oneAtATime.isHeldByCurrentThread()) oneAtATime.unlock();
                }
                if (answer instanceof Document document && document.containsKey("maxWireVersion")) {
                    document.put("maxWireVersion", WIRE_VERSION);
                }
                return answer;
            });
    }
}
