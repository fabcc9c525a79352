// FaceGuard.verify({token, container?, origin?}) opens the capture page in a frame and resolves
// to {status, confidence?, error?}. It never rejects. token is a portal token; container an
// element to put the frame in, else it covers the page; origin where the service is, else
// where this script came from.
(() => {
  'use strict';

  const script = document.currentScript;
  const home = script && script.src ? new URL(script.src).origin : location.origin;

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
        if (!m || m.action !== 'close' || !Object.hasOwn(results, m.reason)) return;
        removeEventListener('message', listen);
        frame.remove();
        resolve(results[m.reason](m));
      };
      addEventListener('message', listen);
      (container || document.body).append(frame);
    });
  }

  window.FaceGuard = Object.freeze({ verify });
})();
