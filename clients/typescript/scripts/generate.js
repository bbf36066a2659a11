// Writes src/generated from docs/reference/openapi.json: a type for each schema, and a table of the operations.
// `--check` compares instead and fails if the document has moved on.
import { readFileSync, writeFileSync } from "node:fs";

const here = new URL("..", import.meta.url);
const root = process.env.HOLDFAST_ROOT ? new URL(`file://${process.env.HOLDFAST_ROOT}/`) : new URL("../../", here);
const openapi = JSON.parse(readFileSync(new URL("docs/reference/openapi.json", root), "utf8"));
const { schemas } = openapi.components;
const METHODS = ["get", "post", "put", "patch", "delete"];
const HEAD = "// Made from docs/reference/openapi.json by scripts/generate.js; do not edit.\n";

const comment = (text) => (text ? `/** ${text.replaceAll("*/", "* /").replace(/\s+/g, " ").trim()} */` : "");
const nameOf = (ref) => ref.split("/").at(-1);
const isName = (text) => /^[A-Za-z_$][\w$]*$/.test(text);

/** The TypeScript type of a schema, on one line. */
function typeOf(schema) {
  if (schema.$ref) return nameOf(schema.$ref);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.oneOf) return schema.oneOf.map(typeOf).join(" | ");
  if (schema.allOf) return schema.allOf.map(typeOf).join(" & ");
  const types = [schema.type ?? "unknown"].flat();
  return types.map((type) => plainTypeOf(type, schema)).join(" | ");
}

function plainTypeOf(type, schema) {
  switch (type) {
    case "string":
    case "boolean":
    case "null":
      return type;
    case "integer":
    case "number":
      return "number";
    case "array":
      return `Array<${typeOf(schema.items)}>`;
    case "object":
      return objectOf(schema);
    default:
      return "unknown";
  }
}

/** An object without members of its own is free: anything may be in it. */
function objectOf(schema) {
  const members = Object.entries(schema.properties ?? {}).map(([name, value]) => member(name, value, schema));
  const rest = schema.additionalProperties;
  if (rest && rest !== true) return `Record<string, ${typeOf(rest)}>`;
  if (members.length === 0) return "Record<string, unknown>";
  const own = `{ ${members.join(" ")} }`;
  return rest ? `${own} & Record<string, unknown>` : own;
}

function member(name, schema, owner) {
  const mark = owner.required?.includes(name) ? "" : "?";
  return `${isName(name) ? name : JSON.stringify(name)}${mark}: ${typeOf(schema)};`;
}

function declarationOf(name, schema) {
  const head = comment(schema.description);
  if (schema.type !== "object" || !schema.properties) return `${head}\nexport type ${name} = ${typeOf(schema)};\n`;
  const lines = Object.entries(schema.properties).flatMap(([field, value]) => {
    const type = member(field, value, schema);
    const said = comment(value.description);
    return said.length + type.length < 110 ? [`  ${said} ${type}`] : [`  ${said}`, `  ${type}`];
  });
  return `${head}\nexport interface ${name} {\n${lines.join("\n")}\n}\n`;
}

/** Whether only the identity provider or a browser is meant to call it. */
const isForClients = (path, operation) => /^\/(v1|\.well-known)\//.test(path) && !path.startsWith("/v1/providers/");

function operations() {
  const found = [];
  for (const [path, item] of Object.entries(openapi.paths)) {
    for (const method of METHODS.filter((method) => item[method] && isForClients(path, item[method]))) {
      found.push({ path, method: method.toUpperCase(), operation: item[method] });
    }
  }
  return found;
}

/** What the answer of success is. */
function answerOf(operation) {
  const [, answer] = Object.entries(operation.responses).find(([status]) => status.startsWith("2"));
  const content = Object.entries(answer.content ?? {})[0];
  return content ? typeOf(content[1].schema) : "void";
}

function parametersOf(operation, place) {
  const members = (operation.parameters ?? []).filter((parameter) => parameter.in === place);
  if (members.length === 0) return "undefined";
  return `{ ${members.map((one) => `${one.name}${one.required ? "" : "?"}: ${typeOf(one.schema)};`).join(" ")} }`;
}

function signatureOf({ operation }) {
  const content = Object.entries(operation.requestBody?.content ?? {})[0];
  const body = content ? typeOf(content[1].schema) : "undefined";
  return [
    `  ${comment(operation.summary)}`,
    `  ${operation.operationId}: {`,
    `    path: ${parametersOf(operation, "path")};`,
    `    query: ${parametersOf(operation, "query")};`,
    `    body: ${body};`,
    `    answer: ${answerOf(operation)};`,
    "  };",
  ].join("\n");
}

/** Whether the operation reads an `Idempotency-Key`. */
const isNamed = (operation) => (operation.parameters ?? []).some((one) => one.name === "Idempotency-Key");

function typesFile(names) {
  return `${HEAD}\n${names.map((name) => declarationOf(name, schemas[name])).join("\n")}`;
}

function operationsFile() {
  const all = operations();
  const used = new Set(all.flatMap((one) => signatureOf(one).match(/\b[A-Z]\w+\b/g) ?? []));
  const imports = Object.keys(schemas).filter((name) => used.has(name));
  const rows = all.map(({ path, method, operation }) => {
    const named = isNamed(operation) ? ", true" : ", false";
    return `  ${operation.operationId}: ["${method}", "${path}"${named}],`;
  });
  return [
    HEAD,
    `import type {\n${imports.map((name) => `  ${name},`).join("\n")}\n} from "./types.js";\n`,
    "/** What each operation takes and answers. */",
    `export interface Operations {\n${all.map(signatureOf).join("\n")}\n}\n`,
    "/** Method, path, and whether the operation reads an `Idempotency-Key`. */",
    `export const OPERATIONS = {\n${rows.join("\n")}\n} as const;\n`,
  ].join("\n");
}

const files = { "types.ts": typesFile(Object.keys(schemas)), "operations.ts": operationsFile() };
let isOld = false;
for (const [name, text] of Object.entries(files)) {
  const file = new URL(`src/generated/${name}`, here);
  if (!process.argv.includes("--check")) writeFileSync(file, text);
  else if (readFileSync(file, "utf8") !== text) {
    isOld = true;
    process.stderr.write(`src/generated/${name} is not what docs/reference/openapi.json says; run npm run generate\n`);
  }
}
process.exitCode = isOld ? 1 : 0;
