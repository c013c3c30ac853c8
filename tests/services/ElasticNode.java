import java.lang.reflect.Method;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/** Starts one node of Elasticsearch 8 or 9: ElasticNode home setting=value... */
public class ElasticNode {
    public static void main(String[] arguments) throws Exception {
        Path home = Path.of(arguments[0]);
        Settings.Builder chosen = Settings.builder();
        for (String argument : arguments) {
            String[] pair = argument.split("=", 2);
            if (pair.length == 2) {
                chosen.put(pair[0], pair[1]);
            }
        }
        Settings settings = chosen.put("path.home", home).put("path.data", home.resolve("data")).build();
        LogConfigurator.configureWithoutConfig(settings);
        LogConfigurator.setNodeName("tests");
        Environment environment = new Environment(settings, home.resolve("config"));
        PluginsLoader loader = PluginsLoader.createPluginsLoader(modules(environment.modulesDir()), Set.of(), Map.of());
        Node node = new Node(environment, loader);
        node.start();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> close(node)));
        Thread.currentThread().join();
    }

    /** The loader takes one argument in 8 and two in 9. */
    @SuppressWarnings("unchecked")
    private static <T> Set<T> modules(Path folder) throws Exception {
        for (Method method : PluginsLoader.class.getMethods()) {
            if (method.getName().equals("loadModulesBundles")) {
                Object[] given = method.getParameterCount() == 1 ? new Object[] {folder} : new Object[] {folder, true};
                return (Set<T>) method.invoke(null, given);
            }
        }
        throw new IllegalStateException("PluginsLoader has no loadModulesBundles");
    }

    private static void close(Node node) {
        try {
            node.close();
        } catch (Exception error) {
            error.printStackTrace();
        }
    }
}
