// Builds dist/tag.min.js. Its first line is the hash of what it is built from: a test compares them.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { build } from "esbuild";

const hash = createHash("sha256");
for (const file of ["src/tag.js", "src/script.js"]) hash.update(readFileSync(file));

await build({
  entryPoints: ["src/script.js"],
  outfile: "dist/tag.min.js",
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2020",
  banner: { js: `/* ${hash.digest("hex").slice(0, 16)} */` },
});
