// The capture page. With #token= it runs in a host's frame, says that it is there and how it ended
// by one message each to the host's page; with #code= it runs on a phone and hands its pictures to the session
// that the code is of.
(() => {
  'use strict';

  const FRAMES = 5;
  const BETWEEN = 250; // ms from frame to frame
  const LOOK = 1500; // ms that somebody has to get before the camera, or to follow a hint
  const POLL = 3000; // ms between looks at what the phone does

  const $ = (id) => document.getElementById(id);
  const allowed = document.body.dataset.origins.split(' ').filter(Boolean);
  const given = new URLSearchParams(location.hash.slice(1));
  history.replaceState(null, '', location.pathname); // the token is in no history

  const portal = given.get('token');
  const code = given.get('code');
  const host = given.get('origin');
  let listener = allowed.includes(host) ? host : null;
  let session = null; // token
  let stream = null;
  let closed = false;
  let mode = ''; // 'camera' or 'phone'

  // What the page says, in the first of the browser's languages that it knows.
  const words = FaceGuardWords.pick(navigator.languages);
  document.documentElement.lang = words.lang;
  document.title = document.querySelector('h1').textContent = words.title;
  $('say').textContent = words.moment;
  $('phone').textContent = words.usePhone;
  $('close').setAttribute('aria-label', words.close);

  const say = (text) => { $('say').textContent = text; };
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  const show = (...ids) => {
    for (const id of ['video', 'oval', 'qr', 'code', 'phone']) $(id).hidden = !ids.includes(id);
  };

  function stop() {
    if (stream) stream.getTracks().forEach((track) => track.stop());
    stream = null;
  }

  const tell = (message) => {
    if (window.parent !== window && listener) window.parent.postMessage(message, listener);
  };

  // close says once how it ended, to the host's page only.
  function close(reason, more) {
    if (closed) return;
    closed = true;
    stop();
    show();
    const text = { approved: words.done, rejected: words.rejected, canceled: words.canceled, bypass_active: words.done }[reason];
    say(text ? text + (code ? words.goOn : '') : words.sorry[more && more.error] || words.wrong);
    tell({ action: 'close', reason, ...more });
  }

  class Failure extends Error {}
  const fail = (error) => { throw new Failure(error); };

  // call asks the service, and again where it is told to wait.
  async function call(method, path, token, body) {
    while (!closed) {
      let answer;
      try {
        answer = await fetch('/faceguard/' + path, {
          method, body, cache: 'no-store', headers: token ? { Authorization: 'Bearer ' + token } : {},
        });
      } catch {
        fail('network_error');
      }
      if (answer.status === 429) {
        say(words.moment);
        await sleep(1000 * (Number(answer.headers.get('Retry-After')) || 1));
        continue;
      }
      if (answer.status === 401 || answer.status === 404) fail('token_expired');
      if (!answer.ok) fail('internal_error');
      try {
        return (await answer.json()).data;
      } catch {
        fail('network_error');
      }
    }
    return null;
  }

  // cameraError is the code of what the browser says of a camera.
  function cameraError(error) {
    const policy = document.permissionsPolicy || document.featurePolicy;
    if (error.name === 'NotAllowedError' && policy && !policy.allowsFeature('camera')) return 'camera_insecure_context';
    return {
      NotAllowedError: 'camera_permission_denied',
      NotFoundError: 'camera_unavailable',
      NotReadableError: 'camera_in_use',
      TrackStartError: 'camera_in_use',
      OverconstrainedError: 'camera_constraints',
      SecurityError: 'camera_insecure_context',
    }[error.name] || 'camera_unknown';
  }

  async function startCamera() {
    if (!window.isSecureContext || !navigator.mediaDevices) fail('camera_insecure_context');
    try {
      const wanted = { facingMode: 'user', width: { ideal: 1280 }, height: { ideal: 720 } };
      stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
      if (closed) return stop();
      $('video').srcObject = stream;
      await $('video').play();
    } catch (error) {
      if (!closed) fail(cameraError(error));
    }
  }

  async function grab() {
    const video = $('video');
    const canvas = document.createElement('canvas');
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext('2d').drawImage(video, 0, 0);
    return new Promise((done) => canvas.toBlob(done, 'image/jpeg', 0.95));
  }

  // finish closes if a session has ended, and reports whether it has.
  function finish(data) {
    const { status, confidence } = data;
    if (status.type === 'bypassed') close('bypass_active', { bypass_expires_at: status.expires_at });
    else if (status.type === 'completed') close(status.outcome === 'passed' ? 'approved' : 'rejected', { confidence });
    return closed;
  }

  async function captureFaces() {
    mode = 'camera';
    show();
    say(words.allow);
    await startCamera();
    show('video', 'oval', ...(portal ? ['phone'] : []));
    let text = words.look;
    while (!closed && mode === 'camera') {
      say(text);
      await sleep(LOOK);
      const form = new FormData();
      for (let i = 0; i < FRAMES && !closed && mode === 'camera'; i++) {
        if (i > 0) await sleep(BETWEEN);
        form.append('frame', await grab(), 'frame.jpg');
      }
      if (closed || mode !== 'camera') return;
      say(words.moment);
      const data = await call('POST', 'session/capture', session, form);
      if (!data || finish(data)) return;
      text = words.hints[data.hint] || words.look;
    }
  }

  // usePhone shows a code for a phone and waits for what comes of it.
  async function usePhone() {
    mode = 'phone';
    stop();
    for (;;) {
      const made = await call('POST', 'short-code', portal);
      if (!made) return;
      $('qr').src = '/faceguard/qr?code=' + encodeURIComponent(made.code);
      $('code').textContent = made.code;
      show('qr', 'code');
      say(words.point);
      while (Date.parse(made.expires_at) > Date.now()) {
        await sleep(POLL);
        if (closed) return;
        const data = await call('GET', 'session/status', portal);
        if (!data || finish(data)) return;
      }
    }
  }

  async function run() {
    if (code) {
      session = (await call('GET', 'short-code?code=' + encodeURIComponent(code))).token;
      return captureFaces();
    }
    if (!portal) fail('token_expired');
    const config = await call('GET', 'app/config', portal);
    if (!config) return;
    // From here on only the origins of this workflow are told.
    if (!config.origins.includes(host)) listener = null;
    const begun = await call('POST', 'session', portal);
    if (!begun || finish(begun)) return;
    session = begun.token;
    if (!config.base_photo) return close('no_base_photo');
    return captureFaces();
  }

  const guard = (promise) => promise.catch((error) => {
    close('error', { error: error instanceof Failure ? error.message : 'internal_error' });
  });

  $('close').addEventListener('click', () => close('canceled'));
  addEventListener('keydown', (event) => { if (event.key === 'Escape') close('canceled'); });
  addEventListener('pagehide', stop);
  $('phone').addEventListener('click', () => guard(usePhone()));
  tell({ action: 'ready' });
  guard(run());
})();
