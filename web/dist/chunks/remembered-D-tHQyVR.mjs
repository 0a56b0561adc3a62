function r(t,e){try{return localStorage.getItem(`sdgen.${t}`)??e}catch{return e}}function a(t,e){try{localStorage.setItem(`sdgen.${t}`,e)}catch{}}export{a,r};
