#!/usr/bin/env bash
# serverless-offline (MIT) from npm: a Lambda endpoint of another make, to compare ours with. See lib.sh.
#   serverless.sh start RUN PORT        Invoke on PORT, another listener on PORT+1; one function `rig-dev-probe` in
#                                       JavaScript, which does what tests/lambda-front's lambda-probe does; time-out 3 s
NAME=serverless
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/lib.sh"

SERVERLESS_VERSION=3.40.0
OFFLINE_VERSION=13.9.0

fetch() { cached "serverless-offline-$OFFLINE_VERSION" fill_serverless; }

fill_serverless() {
  need npm
  cd "$1"
  echo '{"private":true}' >package.json
  nice -n 15 npm install --no-audit --no-fund --ignore-scripts --loglevel=error "serverless@$SERVERLESS_VERSION" \
    "serverless-offline@$OFFLINE_VERSION"
}

ready() { port_answers "$PORT"; }

start() {
  need node
  local folder
  folder=$(fetch)
  mkdir -p "$RUN/home"
  ln -sfn "$folder/node_modules" "$RUN/node_modules"
  cat >"$RUN/serverless.yml" <<'YAML'
service: rig
frameworkVersion: '3'
provider: {name: aws, runtime: nodejs20.x}
plugins: [serverless-offline]
functions:
  probe: {handler: probe.handler, timeout: 3}
YAML
  cat >"$RUN/probe.js" <<'JS'
class ProbeError extends Error {}
module.exports.handler = async (event) => {
  if (event.sleep) await new Promise((done) => setTimeout(done, event.sleep));
  if (event.fail) throw new ProbeError(event.fail);
  if (event.exit) process.exit(event.exit);
  if (event.big) return 'x'.repeat(event.big);
  return { event };
};
JS
  export HOME=$RUN/home SLS_TELEMETRY_DISABLED=1 SLS_NOTIFICATIONS_MODE=off SLS_DISABLE_AUTO_UPDATE=1 CI=1
  cd "$RUN"
  # The run's folder is on the command line so that the process can be told from others by it.
  launch ready node "$RUN/node_modules/serverless/bin/serverless.js" offline start --host 127.0.0.1 \
    --lambdaPort "$PORT" --httpPort $((PORT + 1)) --noPrependStageInUrl
}

main "$@"
