// FaceGuard.verify({token, container?, origin?}) opens the capture page in a frame and resolves
// to {status, confidence?, error?}. It never rejects. token is a portal token; container an
// element to put the frame in, else it covers the page; origin where the service is, else
// where this script came from.
(() => {
  'use strict';

  const script = document.currentScript;
  const home = script && script.src ? new URL(script.src).origin : location.origin;

  const PATIENCE = 15000; // ms until a capture page that has not said that it is there is given up

  const results = {
    approved: (m) => ({ status: 'approved', confidence: m.confidence }),
    rejected: (m) => ({ status: 'rejected', confidence: m.confidence }),
    canceled: () => ({ status: 'canceled' }),
    bypass_active: () => ({ status: 'error', error: 'bypass_active' }),
    no_base_photo: () => ({ status: 'error', error: 'no_base_photo' }),
    error: (m) => ({ status: 'error', error: String(m.error) }),
  };

  function verify(options) {
    const { token, container, origin = home } = options || {};
    if (typeof token !== 'string' || token === '') {
      return Promise.resolve({ status: 'error', error: 'token_missing' });
    }
    return new Promise((resolve) => {
      const frame = document.createElement('iframe');
      frame.allow = 'camera';
      frame.title = 'FaceGuard';
      frame.referrerPolicy = 'no-referrer';
      const look = container
        ? { width: '100%', height: '100%', border: '0' }
        : { position: 'fixed', inset: '0', width: '100%', height: '100%', border: '0', zIndex: '2147483647', background: '#fff' };
      Object.assign(frame.style, look);
      frame.src = origin + '/faceguard/app#' + new URLSearchParams({ token, origin: location.origin });

      const listen = (event) => {
        if (event.origin !== origin || event.source !== frame.contentWindow) return;
        const m = event.data;
        if (m && m.action === 'ready') clearTimeout(given);
        if (m && m.action === 'close' && Object.hasOwn(results, m.reason)) end(results[m.reason](m));
      };
      const end = (result) => {
        clearTimeout(given);
        removeEventListener('message', listen);
        frame.remove();
        resolve(result);
      };
      const given = setTimeout(() => end({ status: 'error', error: 'network_error' }), PATIENCE);
      addEventListener('message', listen);
      (container || document.body).append(frame);
    });
  }

  window.FaceGuard = Object.freeze({ verify });
})();
