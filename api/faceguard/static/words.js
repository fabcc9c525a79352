// What the capture page says, by language. Every language says everything.
const FaceGuardWords = (() => {
  'use strict';

  const languages = {
    en: {
      title: 'Show your face', usePhone: 'Use my phone instead', close: 'Cancel', allow: 'Allow the camera', look: 'Look at the camera', moment: 'One moment',
      point: 'Point your phone\u2019s camera at this', done: 'Done', rejected: 'That did not work', canceled: 'Canceled',
      goOn: '. Go on at your other device.', wrong: 'Something went wrong',
      hints: {
        no_face: 'Show your face to the camera', several_faces: 'One person at a time', face_too_small: 'Come closer', face_too_close: 'Step back a little',
        cropped: 'Move your whole face into the picture', near_border: 'Move your whole face into the picture', angle: 'Look at the camera',
        dark: 'More light on the face', bright: 'Less light on the face', blurred: 'Hold still', occluded: 'Take off what covers the face', eyes_closed: 'Open your eyes',
      },
      sorry: {
        camera_permission_denied: 'The camera is not allowed. Allow it in the settings of your browser.', camera_unavailable: 'There is no camera here. Use a device that has one.',
        camera_in_use: 'Something else is using the camera. Close it and try again.', camera_constraints: 'This camera cannot be used.',
        camera_insecure_context: 'The camera needs a page that is served securely.', camera_unknown: 'The camera does not start.',
        token_expired: 'This took too long. Start again.', network_error: 'There is no connection.',
      },
    },
    de: {
      title: 'Zeigen Sie Ihr Gesicht', usePhone: 'Lieber mein Telefon benutzen', close: 'Abbrechen', allow: 'Erlauben Sie die Kamera', look: 'Schauen Sie in die Kamera', moment: 'Einen Moment',
      point: 'Richten Sie die Kamera Ihres Telefons hierauf', done: 'Fertig', rejected: 'Das hat nicht geklappt', canceled: 'Abgebrochen',
      goOn: '. Machen Sie am anderen Ger\u00e4t weiter.', wrong: 'Etwas ist schiefgegangen',
      hints: {
        no_face: 'Zeigen Sie der Kamera Ihr Gesicht', several_faces: 'Bitte nur eine Person', face_too_small: 'Kommen Sie n\u00e4her', face_too_close: 'Gehen Sie etwas zur\u00fcck',
        cropped: 'Das ganze Gesicht muss ins Bild', near_border: 'Das ganze Gesicht muss ins Bild', angle: 'Schauen Sie in die Kamera',
        dark: 'Mehr Licht aufs Gesicht', bright: 'Weniger Licht aufs Gesicht', blurred: 'Halten Sie still', occluded: 'Nehmen Sie ab, was das Gesicht verdeckt', eyes_closed: '\u00d6ffnen Sie die Augen',
      },
      sorry: {
        camera_permission_denied: 'Die Kamera ist nicht erlaubt. Erlauben Sie sie in den Einstellungen des Browsers.', camera_unavailable: 'Hier ist keine Kamera. Nehmen Sie ein Ger\u00e4t mit Kamera.',
        camera_in_use: 'Etwas anderes benutzt die Kamera. Schlie\u00dfen Sie es und versuchen Sie es noch einmal.', camera_constraints: 'Diese Kamera ist nicht geeignet.',
        camera_insecure_context: 'Die Kamera braucht eine sichere Seite (https).', camera_unknown: 'Die Kamera startet nicht.',
        token_expired: 'Das hat zu lange gedauert. Fangen Sie noch einmal an.', network_error: 'Es gibt keine Verbindung.',
      },
    },
    fr: {
      title: 'Montrez votre visage', usePhone: 'Utiliser plut\u00f4t mon t\u00e9l\u00e9phone', close: 'Annuler', allow: 'Autorisez la cam\u00e9ra', look: 'Regardez la cam\u00e9ra', moment: 'Un instant',
      point: 'Visez ceci avec l\u2019appareil photo de votre t\u00e9l\u00e9phone', done: 'Termin\u00e9', rejected: 'Cela n\u2019a pas fonctionn\u00e9', canceled: 'Annul\u00e9',
      goOn: '. Continuez sur votre autre appareil.', wrong: 'Une erreur s\u2019est produite',
      hints: {
        no_face: 'Montrez votre visage \u00e0 la cam\u00e9ra', several_faces: 'Une seule personne \u00e0 la fois', face_too_small: 'Approchez-vous', face_too_close: 'Reculez un peu',
        cropped: 'Le visage entier doit \u00eatre dans l\u2019image', near_border: 'Le visage entier doit \u00eatre dans l\u2019image', angle: 'Regardez la cam\u00e9ra',
        dark: 'Plus de lumi\u00e8re sur le visage', bright: 'Moins de lumi\u00e8re sur le visage', blurred: 'Ne bougez pas', occluded: 'Retirez ce qui couvre le visage', eyes_closed: 'Ouvrez les yeux',
      },
      sorry: {
        camera_permission_denied: 'La cam\u00e9ra n\u2019est pas autoris\u00e9e. Autorisez-la dans les r\u00e9glages du navigateur.', camera_unavailable: 'Il n\u2019y a pas de cam\u00e9ra ici. Utilisez un appareil qui en a une.',
        camera_in_use: 'La cam\u00e9ra est d\u00e9j\u00e0 utilis\u00e9e. Fermez l\u2019autre application et r\u00e9essayez.', camera_constraints: 'Cette cam\u00e9ra ne convient pas.',
        camera_insecure_context: 'La cam\u00e9ra exige une page s\u00e9curis\u00e9e (https).', camera_unknown: 'La cam\u00e9ra ne d\u00e9marre pas.',
        token_expired: 'Le d\u00e9lai est d\u00e9pass\u00e9. Recommencez.', network_error: 'Il n\u2019y a pas de connexion.',
      },
    },
    es: {
      title: 'Muestre su cara', usePhone: 'Mejor usar mi tel\u00e9fono', close: 'Cancelar', allow: 'Permita la c\u00e1mara', look: 'Mire a la c\u00e1mara', moment: 'Un momento',
      point: 'Apunte aqu\u00ed con la c\u00e1mara de su tel\u00e9fono', done: 'Listo', rejected: 'No ha funcionado', canceled: 'Cancelado',
      goOn: '. Siga en el otro dispositivo.', wrong: 'Algo ha fallado',
      hints: {
        no_face: 'Muestre la cara a la c\u00e1mara', several_faces: 'Una persona a la vez', face_too_small: 'Ac\u00e9rquese', face_too_close: 'Al\u00e9jese un poco',
        cropped: 'Toda la cara debe estar en la imagen', near_border: 'Toda la cara debe estar en la imagen', angle: 'Mire a la c\u00e1mara',
        dark: 'M\u00e1s luz en la cara', bright: 'Menos luz en la cara', blurred: 'No se mueva', occluded: 'Quite lo que cubre la cara', eyes_closed: 'Abra los ojos',
      },
      sorry: {
        camera_permission_denied: 'La c\u00e1mara no est\u00e1 permitida. Perm\u00edtala en los ajustes del navegador.', camera_unavailable: 'Aqu\u00ed no hay c\u00e1mara. Use un dispositivo que tenga una.',
        camera_in_use: 'Otra aplicaci\u00f3n usa la c\u00e1mara. Ci\u00e9rrela e int\u00e9ntelo de nuevo.', camera_constraints: 'Esta c\u00e1mara no sirve.',
        camera_insecure_context: 'La c\u00e1mara necesita una p\u00e1gina segura (https).', camera_unknown: 'La c\u00e1mara no se inicia.',
        token_expired: 'Ha tardado demasiado. Empiece de nuevo.', network_error: 'No hay conexi\u00f3n.',
      },
    },
  };

  function pick(preferred) {
    for (const tag of preferred || []) {
      const lang = tag.slice(0, 2).toLowerCase();
      if (Object.hasOwn(languages, lang)) return { lang, ...languages[lang] };
    }
    return { lang: 'en', ...languages.en };
  }

  return Object.freeze({ languages, pick });
})();
